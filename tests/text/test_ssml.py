"""Pauses and SSML: passages, their voices and prosody, and the place of every character."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from gateway.errors import InvalidRequest
from gateway.text.sections import Passage, Pause, Section
from gateway.text.ssml import parse_ssml, split_pauses, starts_as_ssml


def outline(sections: list[Section]) -> list[str | float]:
    """Texts of passages and durations of pauses."""
    return [section.text.text if isinstance(section, Passage) else section.duration_s for section in sections]


def ssml(body: str, language: str = "en") -> list[str | float]:
    return outline(parse_ssml(f"<speak>{body}</speak>", language)[0])


def passages(body: str) -> list[Passage]:
    sections = parse_ssml(f"<speak>{body}</speak>", "en")[0]
    return [section for section in sections if isinstance(section, Passage)]


def sources(source: str, section: Section) -> list[str]:
    """The part of the input that each character of a passage was made from."""
    assert isinstance(section, Passage)
    return [source[start:end] for start, end in zip(section.text.starts, section.text.ends, strict=True)]


def refusal(text: str) -> str:
    with pytest.raises(InvalidRequest) as error:
        parse_ssml(text, "en")
    assert error.value.param == "text"
    return error.value.message


class TestPlainPauses:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Hello world", ["Hello world"]),
            ("Hello [pause:1.5s] world", ["Hello", 1.5, "world"]),
            ("a[pause:500ms]b", ["a", 0.5, "b"]),
            ("a [PAUSE: 2 s ]\n b", ["a", 2.0, "b"]),
            ("a [pause] b", ["a", 0.5, "b"]),
            ("[pause:1s]a[pause:.5s][pause:10s]", [1.0, "a", 0.5, 10.0]),
            ("a [pause:1s]. [pause:1s] b", ["a", 1.0, 1.0, "b"]),
            ("[pause]", [0.5]),
            ("press the [pause button], [paused], [pauses: 2]", ["press the [pause button], [paused], [pauses: 2]"]),
            ("  a  ", ["  a  "]),
            ("...", ["..."]),
        ],
    )
    def test_text_is_divided_at_pauses(self, text: str, expected: list[str | float]) -> None:
        assert outline(split_pauses(text)) == expected

    def test_passages_and_pauses_keep_their_places(self) -> None:
        text = "né  [pause:1s]\n 好 a"
        first, pause, second = split_pauses(text)
        assert sources(text, first) == ["n", "é"]
        assert isinstance(pause, Pause)
        assert pause.position == 4
        assert isinstance(second, Passage)
        assert second.text.span(0, 1) == (16, 17)

    @pytest.mark.parametrize(
        "written", ["[pause:xyz]", "[pause:]", "[pause:5]", "[pause:-1s]", "[pause=1s]", "[pause 2s]", "[pause:1m"]
    )
    def test_malformed_pause_is_refused_by_name(self, written: str) -> None:
        with pytest.raises(InvalidRequest) as error:
            split_pauses(f"Hi {written}\nthere")
        assert written in error.value.message
        assert "character 4" in error.value.message
        assert error.value.param == "text"

    def test_pause_of_more_than_ten_seconds_is_refused(self) -> None:
        assert outline(split_pauses("[pause:10s]")) == [10.0]
        with pytest.raises(InvalidRequest, match=r"\[pause:10001ms\].*limit for one pause is 10 s"):
            split_pauses("a [pause:10001ms] b")

    def test_pauses_of_more_than_a_minute_are_refused(self) -> None:
        assert len(split_pauses("[pause:10s]" * 6)) == 6
        with pytest.raises(InvalidRequest, match=r"last 60.5 s: the limit for all pauses of a text is 60 s"):
            split_pauses("[pause:10s]" * 6 + "[pause]")


class TestTagsInPlainText:
    @pytest.mark.parametrize(
        "tag",
        [
            *('<break time="1s"/>', "<break/>", "<prosody rate='slow'>", "</prosody>", "<speak>", '<voice name="x">'),
            *(
                "<p>",
                "</p>",
                "<s>",
                "<sub alias='x'>",
                "<SUB>",
                "<emphasis>",
                '<lang xml:lang="fr">',
                "<say-as\n x='y'>",
            ),
            *("<phoneme ph='x'>", "<mark name='x'/>", "<amazon:effect name='x'>", "<mstts:silence type='x'/>"),
        ],
    )
    def test_ssml_element_is_refused_by_name(self, tag: str) -> None:
        with pytest.raises(InvalidRequest) as error:
            split_pauses(f"Hello {tag} world")
        assert tag in error.value.message
        assert "ssml: true" in error.value.message

    @pytest.mark.parametrize(
        "text",
        [
            "a < b and b > c, 1 <2, I <3 you, a <s and t> b",
            "List<String>, <jp>你好</jp>, <p:i3>, <b>bold</b>, <pre>, <span>, <speaker>, <voices>, <break",
            "<|speaker:0|> Hi",
        ],
    )
    def test_other_angle_brackets_are_text(self, text: str) -> None:
        assert outline(split_pauses(text)) == [text]


class TestStart:
    @pytest.mark.parametrize(
        "text", ["<speak>", " \n<speak version='1.0'>", "<?xml version='1.0'?>\n<speak/>", "\ufeff<speak>"]
    )
    def test_speak_element_starts_ssml(self, text: str) -> None:
        assert starts_as_ssml(text)

    @pytest.mark.parametrize("text", ["<speaker>", "Hi <speak>", "<?xml?><p>", "speak", ""])
    def test_other_texts_are_not_ssml(self, text: str) -> None:
        assert not starts_as_ssml(text)


class TestPlaces:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("né😀好", ["n", "é", "😀", "好"]),
            ("a&amp;b", ["a", "&amp;", "b"]),
            ("é&#233;&#x1F600;&lt;z", ["é", "&#233;", "&#x1F600;", "&lt;", "z"]),
            ("a\r\nb", ["a", "\r\n", "b"]),
            ("é<![CDATA[&amp;<]]>b", ["é", "&", "a", "m", "p", ";", "<", "b"]),
            ("a<!-- é & < -->b", ["a", "b"]),
            ("a<?x é?>b", ["a", "b"]),
            ("é<emphasis level='ü'>b</emphasis>c", ["é", "b", "c"]),
            ("a \n\t b", ["a", " \n\t ", "b"]),
            ("a]]b", ["a", "]", "]", "b"]),
        ],
    )
    def test_characters_keep_their_places(self, body: str, expected: list[str]) -> None:
        for before in ("", " \n", "\ufeff", '<?xml version="1.0" encoding="utf-16"?>\r\n'):
            text = f"{before}<speak xml:base='é'>{body}</speak>"
            (section,) = parse_ssml(text, "en")[0]
            assert sources(text, section) == expected

    def test_pauses_keep_their_places(self) -> None:
        text = "<speak>né <break/> a [pause:1s] &amp; b</speak>"
        positions = [section.position for section in parse_ssml(text, "en")[0] if isinstance(section, Pause)]
        assert positions == [text.index("<break"), text.index("[pause")]

    def test_replacements_map_to_the_content(self) -> None:
        text = "<speak>é <sub alias='World Wide'>W&amp;C</sub> b</speak>"
        (section,), (change,), _ = parse_ssml(text, "en")
        assert set(sources(text, section)[2:12]) == {"W&amp;C"}
        assert (text[change.start : change.end], change.spoken, change.category) == ("W&amp;C", "World Wide", "ssml")


class TestSentences:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("<p><s>One</s><s>Two</s></p> <p>Three</p>", ["One\nTwo\nThree"]),
            ("Before<p>One</p>after", ["Before\nOne\nafter"]),
            ("\n  One\n  line\n\n  and another\n", ["One line\nand another"]),
            ("A <emphasis>big</emphasis> word.<mark name='x'/> B", ["A big word. B"]),
            (" . <s/> ", []),
            ("", []),
        ],
    )
    def test_sentences_end_at_elements_and_empty_lines(self, body: str, expected: list[str | float]) -> None:
        assert ssml(body) == expected


class TestBreak:
    @pytest.mark.parametrize(
        ("tag", "duration_s"),
        [
            ('<break time="500ms"/>', 0.5),
            ('<break time="1.5s"></break>', 1.5),
            ('<break time="+2s" strength="weak"/>', 2.0),
            ("<break/>", 0.5),
            ('<break strength="x-weak"/>', 0.1),
            ('<break strength="weak"/>', 0.25),
            ('<break strength="medium"/>', 0.5),
            ('<break strength="strong"/>', 0.75),
            ('<break strength="x-strong"/>', 1.0),
            ("[pause:2s]", 2.0),
        ],
    )
    def test_break_is_a_pause(self, tag: str, duration_s: float) -> None:
        assert ssml(f"Hello {tag} world.") == ["Hello", duration_s, "world."]

    @pytest.mark.parametrize("tag", ['<break strength="none"/>', '<break time="0s"/>'])
    def test_break_without_duration_does_not_divide(self, tag: str) -> None:
        assert ssml(f"Hello{tag}world") == ["Hello world"]

    @pytest.mark.parametrize(
        ("tag", "message"),
        [
            ('<break time="soon"/>', "invalid time 'soon' of <break>"),
            ('<break time=""/>', "invalid time ''"),
            ('<break strength="huge"/>', "invalid strength 'huge'"),
            ('<break time="11s"/>', "limit for one pause is 10 s"),
            ('<break time="10s"/>' * 4 + "[pause:10s]" * 2 + "<break/>", "limit for all pauses of a text is 60 s"),
            ('<break length="1s"/>', "unknown attribute 'length' of <break>; known: time, strength"),
            ("[pause:x]", "[pause:x] at character 8 is not a pause"),
        ],
    )
    def test_invalid_break_is_refused_by_name(self, tag: str, message: str) -> None:
        assert message in refusal(f"<speak>{tag}</speak>")


class TestVoiceAndLanguage:
    def test_voice_divides_the_text(self) -> None:
        found = passages('I said, <voice name="ann">hello</voice>! <voice name="bob">Hi.</voice>')
        assert [(passage.text.text, passage.voice) for passage in found] == [
            *(("I said,", None), ("hello!", "ann"), ("Hi.", "bob"))
        ]

    def test_adjacent_text_of_one_voice_stays_together(self) -> None:
        assert ssml('<voice name="ann">One</voice><voice name="ann">two</voice>') == ["One two"]

    def test_sign_is_spoken_by_its_own_voice(self) -> None:
        assert ssml('5 <voice name="ann">&amp; 6</voice>') == ["5", "& 6"]

    def test_language_is_that_of_the_nearest_element(self) -> None:
        text = '<speak xml:lang="en-US">Hi <lang xml:lang="fr-FR">salut</lang> <s xml:lang="de">Hallo</s></speak>'
        found = [section for section in parse_ssml(text, "en")[0] if isinstance(section, Passage)]
        assert [(passage.text.text, passage.language) for passage in found] == [
            *(("Hi", "en-US"), ("salut", "fr-FR"), ("Hallo", "de"))
        ]

    def test_language_is_none_unless_given(self) -> None:
        assert passages("Hi")[0].language is None

    def test_voice_without_a_name_is_ignored_and_reported(self) -> None:
        sections, _, ignored = parse_ssml('<speak>a <voice gender="female" languages="en">b</voice></speak>', "en")
        assert outline(sections) == ["a b"]
        assert list(ignored) == ["voice gender", "voice languages"]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("<voice>x</voice>", "<voice> must have the attribute name"),
            ('<voice name=" ">x</voice>', "<voice> must have the attribute name"),
            ("<lang>x</lang>", "<lang> must have the attribute xml:lang"),
            ('<lang xml:lang="fr FR">x</lang>', "invalid xml:lang 'fr FR'"),
        ],
    )
    def test_missing_or_invalid_attribute_is_refused_by_name(self, body: str, message: str) -> None:
        assert message in refusal(f"<speak>{body}</speak>")


class TestProsody:
    @pytest.mark.parametrize(
        ("rate", "speed"),
        [
            *(("x-slow", 0.5), ("slow", 0.64), ("medium", 1), ("default", 1), ("fast", 1.55), ("x-fast", 2)),
            *(("80%", 0.8), ("+10%", 1.1), ("-20%", 0.8), ("1.2", 1.2), (" FAST ", 1.55), ("400%", 4), (".25", 0.25)),
        ],
    )
    def test_rate_is_a_factor_of_the_speed(self, rate: str, speed: float) -> None:
        assert passages(f'<prosody rate="{rate}">x</prosody>')[0].speed == pytest.approx(speed)

    @pytest.mark.parametrize(
        ("volume", "gain_db"),
        [
            *(("silent", -120), ("x-soft", -12), ("soft", -6), ("medium", 0), ("default", 0), ("loud", 6)),
            *(("x-loud", 12), ("+6dB", 6), ("-6dB", -6), ("-3.5 db", -3.5)),
        ],
    )
    def test_volume_is_a_gain(self, volume: str, gain_db: float) -> None:
        assert passages(f'<prosody volume="{volume}">x</prosody>')[0].gain_db == gain_db

    def test_nested_prosody_multiplies(self) -> None:
        outer, inner, after = passages(
            '<prosody rate="80%" volume="-6dB">a <prosody rate="150%" volume="+2dB">b</prosody></prosody> c'
        )
        assert (outer.speed, outer.gain_db) == (0.8, -6)
        assert (inner.speed, inner.gain_db) == (pytest.approx(1.2), -4)
        assert (after.speed, after.gain_db) == (1, 0)

    def test_nested_prosody_is_clamped(self) -> None:
        (passage,) = passages(
            '<prosody rate="300%" volume="+12dB"><prosody rate="300%" volume="+12dB">a</prosody></prosody>'
        )
        assert (passage.speed, passage.gain_db) == (4, 12)

    @pytest.mark.parametrize(
        ("attribute", "message"),
        [
            *(("rate='5'", "'5' is out of range"), ("rate='0%'", "out of range"), ("rate='-90%'", "out of range")),
            *(("rate='+2'", "invalid prosody rate '+2'"), ("rate='quick'", "invalid prosody rate 'quick'")),
            *(("volume='+20dB'", "'+20dB' is out of range"), ("volume='11'", "invalid prosody volume '11'")),
            ("speed='2'", "unknown attribute 'speed' of <prosody>"),
        ],
    )
    def test_invalid_value_is_refused_by_name(self, attribute: str, message: str) -> None:
        assert message in refusal(f"<speak><prosody {attribute}>x</prosody></speak>")


class TestIgnored:
    def test_parts_without_effect_are_spoken_and_reported_once(self) -> None:
        sections, _, ignored = parse_ssml(
            "<speak><prosody pitch='high' rate='slow'><emphasis level='strong'>a</emphasis></prosody>"
            "<break/><phoneme alphabet='ipa' ph='x'>b</phoneme><emphasis>c</emphasis><mark name='m'/></speak>",
            "en",
        )
        assert outline(sections) == ["a", 0.5, "bc"]
        assert list(ignored) == ["prosody pitch", "emphasis", "phoneme", "mark"]


class TestSayAs:
    @pytest.mark.parametrize(
        ("kind", "content", "spoken"),
        [
            ("characters", "abc1", "A B C one"),
            ("spell-out", " New-York ", "N E W - Y O R K"),
            ("characters", "e\u0301ß", "É ß"),
            ("digits", "007-42", "zero zero seven four two"),
            ("cardinal", "2024", "two thousand and twenty four"),
            ("number", "1,234.5", "1,234.5"),
            ("ordinal", "21", "twenty first"),
            ("ordinal", "3rd", "third"),
            ("ordinal", "XIV", "XIV"),
            ("telephone", "(202) 555-0123", "two zero two, five five five, zero one two three"),
            ("telephone", "+49 30 1234", "+49 30 1234"),
            *((kind, "x 1/2", "x 1/2") for kind in ("time", "currency", "fraction", "unit", "address", "date")),
        ],
    )
    def test_content_is_read_by_its_kind(self, kind: str, content: str, spoken: str) -> None:
        assert ssml(f'<say-as interpret-as="{kind}">{content}</say-as>') == [spoken.strip()]

    @pytest.mark.parametrize(
        ("form", "content", "spoken"),
        [
            ("mdy", "5/17/2024", "2024-05-17"),
            ("dmy", "17.05.24", "2024-05-17"),
            ("ymd", "2024/5/7", "2024-05-07"),
            ("yyyymmdd", "20240517", "2024-05-17"),
            ("dmy", "1-2-99", "1999-02-01"),
            ("mdy", "May 17, 2024", "May 17, 2024"),
        ],
    )
    def test_date_is_written_as_iso_date(self, form: str, content: str, spoken: str) -> None:
        assert ssml(f'<say-as interpret-as="date" format="{form}">{content}</say-as>') == [spoken]

    def test_packed_date_needs_no_format(self) -> None:
        assert ssml('<say-as interpret-as="date">20240517</say-as>') == ["2024-05-17"]

    def test_expletive_is_a_pause(self) -> None:
        sections, (change,), _ = parse_ssml(
            '<speak>What the <say-as interpret-as="expletive">f</say-as> is</speak>', "en"
        )
        assert outline(sections) == ["What the", 0.5, "is"]
        assert change.spoken == ""

    @pytest.mark.parametrize(
        ("language", "kind", "content", "spoken"),
        [
            ("zh", "digits", "105", "一 零 五"),
            ("zh", "ordinal", "3", "第3"),
            ("zh", "cardinal", "15", "15"),
            ("de", "ordinal", "3.", "dritte"),
            ("fr", "characters", "a2", "A deux"),
            ("xx", "cardinal", "15", "15"),
        ],
    )
    def test_content_is_read_in_the_language(self, language: str, kind: str, content: str, spoken: str) -> None:
        assert ssml(f'<say-as interpret-as="{kind}">{content}</say-as>', language) == [spoken]
        body = f'<lang xml:lang="{language}-XX"><say-as interpret-as="{kind}">{content}</say-as></lang>'
        assert ssml(body) == [spoken]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("<say-as>x</say-as>", "<say-as> must have the attribute interpret-as"),
            ('<say-as interpret-as="song">x</say-as>', "unknown say-as interpret-as 'song': must be one of address"),
            ('<say-as interpret-as="date" format="md">5/17</say-as>', "unknown say-as format 'md'"),
            ('<say-as interpret-as="date" format="mdy">17/5/2024</say-as>', "'17/5/2024' is not a date"),
            ('<say-as interpret-as="digits">1<break/></say-as>', "<break> is not allowed in <say-as>"),
            ("<sub>x</sub>", "<sub> must have the attribute alias"),
        ],
    )
    def test_invalid_use_is_refused_by_name(self, body: str, message: str) -> None:
        assert message in refusal(f"<speak>{body}</speak>")


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("<speak>x & y</speak>", "unexpected character at line 1, column 11; write & as &amp;"),
            ("<speak>\né < y</speak>", "line 2, column 4; write & as &amp; and < as &lt;"),
            ("\n <speak><s>x</p></speak>", "<s> is not closed at line 2, column 15"),
            ("<speak>x", "<speak> is not closed at line 1, column 9"),
            ("<speak>&nbsp;</speak>", "undefined entity at line 1, column 8"),
            ("<speak a='1' a='2'/>", "duplicate attribute"),
            ("Hi <speak/>", "must be inside of one <speak> element"),
            ("<speak/> there", "must be inside of one <speak> element"),
            ("Hi", "must be inside of one <speak> element"),
            ("<p>x</p>", "outermost element of SSML must be <speak>, not <p>"),
            ("<speak><speak>x</speak></speak>", "<speak> inside of <speak>"),
            ("<speak><b>x</b></speak>", "unknown SSML element <b>"),
            ("<speak><Break/></speak>", "unknown SSML element <Break>"),
            ("<speak><audio src='x'/></speak>", "unknown SSML element <audio>"),
            (
                "<speak><amazon:effect name='x'>a</amazon:effect></speak>",
                "<amazon:effect>, an extension of Amazon Polly",
            ),
            ("<speak><mstts:silence/></speak>", "<mstts:silence>, an extension of Azure AI Speech"),
            ("<speak><p style='x'>a</p></speak>", "unknown attribute 'style' of <p>; known: none"),
        ],
    )
    def test_invalid_ssml_is_refused_in_plain_words(self, text: str, message: str) -> None:
        assert message in refusal(text)

    @pytest.mark.parametrize(
        "doctype",
        [
            '<!DOCTYPE speak SYSTEM "file:///etc/passwd">',
            '<!DOCTYPE speak [<!ENTITY a "x"><!ENTITY b "&a;&a;">]>',
            '<!DOCTYPE speak [<!ENTITY % a SYSTEM "http://example.com/x"> %a;]>',
        ],
    )
    def test_document_type_is_refused(self, doctype: str) -> None:
        assert "remove <!DOCTYPE" in refusal(f"{doctype}<speak>&b;</speak>")

    def test_elements_may_be_32_deep(self) -> None:
        assert ssml("<emphasis>" * 31 + "x" + "</emphasis>" * 31) == ["x"]
        assert "more than 32 deep" in refusal("<speak>" + "<emphasis>" * 32 + "x" + "</emphasis>" * 32 + "</speak>")


class TestAccepted:
    def test_declaration_and_namespaces_are_accepted(self) -> None:
        text = (
            '<?xml version="1.0"?><speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" '
            'xmlns:mstts="https://www.w3.org/2001/mstts" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            'xsi:schemaLocation="x" xml:lang="en-US">Hi</speak>\n'
        )
        assert outline(parse_ssml(text, "en")[0]) == ["Hi"]

    def test_characters_that_xml_forbids_are_left_to_the_clean_up(self) -> None:
        assert ssml("a\x00b\ud83dc") == ["a b\u200bc"]

    def test_ignored_elements_are_a_sequence_of_names(self) -> None:
        assert parse_ssml("<speak>Hi</speak>", "en")[1:] == ([], ())


class TestTime:
    @pytest.mark.parametrize(
        "part",
        ["<s>a</s>", "&amp;", "\n", "a\n", "é ", "[pause:", "[pause", "<voice name='a'>b</voice>c", "<![CDATA[]]>"],
    )
    def test_long_ssml_takes_linear_time(self, part: str) -> None:
        text = f"<speak>{part * (100_000 // len(part))}</speak>"
        started = time.process_time()
        with suppress(InvalidRequest):
            parse_ssml(text, "en")
        assert time.process_time() - started < 5

    @pytest.mark.parametrize("part", ["<", "<p ", "<p a=", "<break a='", "[pause", "[pause ", "</", "[pause 1"])
    def test_long_plain_text_takes_linear_time(self, part: str) -> None:
        started = time.process_time()
        split_pauses(part * (100_000 // len(part)))
        assert time.process_time() - started < 5
