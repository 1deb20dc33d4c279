import pytest
from support.voice_samples import add

from gateway.errors import InvalidRequest, VoiceNotFound
from gateway.voices.fs import FileVoiceStore
from gateway.voices.store import check_language, check_transcript


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "x" * 64,
        "Zoë-2_b.wav",
        "李小龍",
        "नमस्ते",
        "ภาษาไทย",
        "Ελένη",
        "محمد",
        "-",
        "voice-1",
        "１２３",
        "O'Brien",
        "Voice (1)",
        "Ann & Bob, live+",
        "(old) Ann",
        "奥巴马·贝拉克（1）",
    ],
)
def test_names_may_use_any_script(store, folder, name):
    voice, _ = add(store, name)
    assert voice.name == name
    assert FileVoiceStore(folder, max_voices=5).get(name) == voice


def test_names_are_normalized_to_nfc(store):
    voice, _ = add(store, "Zoe\u0308")
    assert voice.name == "Zoë"
    assert store.get("ZOE\u0308") == voice


BAD_NAMES = [
    "",
    " ",
    "x" * 65,
    " a",
    "a ",
    ".a",
    "..",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "\x00",
    "a\x00b",
    "a\nb",
    "a\tb",
    "a\u00a0b",
    "\u0301a",
    "a\u202eb",
    "a\ud800",
    "a:b",
    "<b>",
    "'a",
    "&a",
    "+1",
    "a;b",
    'a"b',
    "a%2fb",
    "a?b",
    "a#b",
    "a|b",
    "a$b",
    "a`b",
    "😀",
    "voice-0123456789abcdef",
    "VOICE-0123456789ABCDEF",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_invalid_names_are_rejected(store, folder, name):
    with pytest.raises(InvalidRequest) as caught:
        add(store, name)
    assert caught.value.param == "name"
    caught.value.message.encode()
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "name", [*BAD_NAMES, "*", ".", "/etc", ".lock", ".tmp-1", "voice-0123456789abcdeg", "x" * 10**6]
)
def test_lookup_of_an_invalid_name_finds_nothing(store, folder, name):
    add(store)
    (folder / ".tmp-1").mkdir()
    for use in (store.get, store.audio, store.remove):
        with pytest.raises(VoiceNotFound) as caught:
            use(name)
        assert len(caught.value.message) < 1_000
        caught.value.message.encode()
    assert len(store.list()) == 1
    assert (folder / ".tmp-1").exists()


def test_names_cannot_escape_the_folder(store, tmp_path):
    secret = tmp_path / "secret" / "audio.wav"
    secret.parent.mkdir()
    secret.write_bytes(b"secret")
    add(store)
    for name in ("../secret", "../secret/audio.wav", str(secret.parent), str(secret), "voice-../secret"):
        with pytest.raises(VoiceNotFound):
            store.audio(name)
        with pytest.raises(VoiceNotFound):
            store.remove(name)
    assert secret.exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("  Hello \n", "Hello"),
        ("one\r\ntwo\nthree", "one\ntwo\nthree"),
        ("x" * 1_000, "x" * 1_000),
        ("“Schön”, 你好 😀", "“Schön”, 你好 😀"),
    ],
)
def test_transcripts_are_stripped_and_newlines_normalized(given, kept):
    assert check_transcript(given) == kept


@pytest.mark.parametrize("transcript", ["x" * 1_001, "a\x00b", "a\tb", "a\x1bb", "a\x85b", "a\rb", "a\ud800"])
def test_invalid_transcripts_are_rejected(transcript):
    with pytest.raises(InvalidRequest) as caught:
        check_transcript(transcript)
    assert caught.value.param == "transcript"
    caught.value.message.encode()


def test_language_must_have_the_form_of_bcp_47():
    assert [check_language(tag) for tag in (None, "en", "pt-BR", "zh-Hant-TW")] == [None, "en", "pt-BR", "zh-Hant-TW"]
    for tag in ("", "english", "e", "en_US", "en-", "../x", "en\n", "en" + "-abcdefgh" * 7):
        with pytest.raises(InvalidRequest) as caught:
            check_language(tag)
        assert caught.value.param == "language"
