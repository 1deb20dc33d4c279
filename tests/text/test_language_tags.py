"""Languages as clients write them."""

import time

import pytest

from gateway.text.language_tags import _LANGUAGES, language_tag


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        *[("en", "en"), ("EN", "en"), ("en_US", "en-US"), ("EN-us", "en-US"), (" en ", "en"), ("en_US.UTF-8", "en-US")],
        *[
            ("eng", "en"),
            ("deu", "de"),
            ("ger", "de"),
            ("jp", "ja"),
            ("iw", "he"),
            ("fil", "fil"),
            ("es-419", "es-419"),
        ],
        *[("English", "en"), ("ENGLISH", "en"), ("english-us", "en-US"), ("English (US)", "en"), ("Deutsch", "de")],
        *[("français", "fr"), ("FRANÇAIS", "fr"), ("francais", "fr"), ("franc\u0327ais", "fr"), ("中文", "zh")],
        *[("日本語", "ja"), ("Русский", "ru"), ("हिन्दी", "hi"), ("العربية", "ar"), ("Brazilian Portuguese", "pt-BR")],
        *[("zh-CN", "zh-CN"), ("zh_Hans", "zh-Hans"), ("ZH_HANS_CN", "zh-Hans-CN"), ("cmn", "zh"), ("cn", "zh")],
        *[("cmn-Hans-CN", "zh-Hans-CN"), ("zh-cmn-Hans", "zh-Hans"), ("zh-yue", "yue"), ("Chinese (Mandarin)", "zh")],
        *[("simplified_chinese", "zh-Hans"), ("Mandarin", "zh"), ("xx", "xx")],
    ],
)
def test_names_and_tags_become_bcp_47(written, tag):
    assert language_tag(written) == tag


@pytest.mark.parametrize("written", ["", " ", "auto", "AUTO", "Auto-Detect", "auto_detect", "none"])
def test_automatic_means_not_given(written):
    assert language_tag(written) is None


@pytest.mark.parametrize(
    "written",
    ["klingon", "english please", "e", "1", "en--US", "en-", "-en", "en-US-toolongsubtag", "en US", "(en)", "\0"],
)
def test_unknown_language_error_has_examples(written):
    with pytest.raises(ValueError, match="must be a BCP 47 tag such as en, zh-CN or pt-BR, a name such as English"):
        language_tag(written)


def test_long_name_is_refused_quickly_with_a_short_message():
    started = time.perf_counter()
    for name in ("x" * 10_000_000, "en-" * 3_000_000, "(" * 1_000_000, "ß" * 1_000_000):
        with pytest.raises(ValueError, match="unknown language") as caught:
            language_tag(name)
        assert len(str(caught.value)) < 300
    assert time.perf_counter() - started < 1


def test_every_name_has_one_language_and_every_tag_is_its_own():
    names = [name.casefold() for names in _LANGUAGES.values() for name in names.split("|")]
    assert len(names) == len(set(names))
    assert all(language_tag(tag) == tag for tag in _LANGUAGES)
