from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Conflict, GatewayError, InvalidRequest, LexiconNotFound
from gateway.text.lexicons.document import LexiconDocument
from gateway.text.lexicons.pls import MAX_ELEMENTS, parse_pls, to_pls
from gateway.text.lexicons.store import LexiconStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "lexicons"


def document(**fields: Any) -> LexiconDocument:
    return LexiconDocument(**{"entries": {"nginx": "engine x"}, **fields})


def test_stored_dictionary_is_found_by_another_store_on_the_same_folder(folder: Path) -> None:
    store, other = LexiconStore(folder), LexiconStore(folder)
    assert not folder.exists(), "a folder that cannot be created must not stop the start"
    lexicon, created = store.put("products", document(language="en-US", voices=["heart"]))
    assert created
    for each in (store, other, LexiconStore(folder)):
        found = each.get("products")
        assert (found.name, found.language, found.voices) == ("products", "en-US", ("heart",))
        assert found.entries == {"nginx": "engine x"}
    assert store.get("products") is lexicon
    assert [path.name for path in folder.iterdir()] == ["products.json"]


def test_replaced_or_edited_dictionary_is_read_again(folder: Path) -> None:
    store, other = LexiconStore(folder), LexiconStore(folder)
    first, _ = store.put("products", document())
    assert other.get("products").entries == first.entries
    second, created = store.put("products", document(entries={"nginx": "engine y"}))
    assert not created
    assert other.get("products").entries == second.entries == {"nginx": "engine y"}
    (folder / "products.json").write_text('{"entries": {"a": "b"}}')
    assert store.get("products").entries == {"a": "b"}
    other.remove("products")
    assert store.names() == []
    with pytest.raises(LexiconNotFound, match="unknown lexicon 'products'; stored ones: none"):
        store.get("products")
    with pytest.raises(LexiconNotFound):
        store.remove("products")


def test_selected_and_default_dictionaries(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = LexiconStore(folder, default=["b", "missing"])
    store.log_problems()
    assert "lexicons.default: unknown lexicon 'missing'" in caplog.text
    a, b = store.put("a", document())[0], store.put("b", document())[0]
    assert store.select(["b", "a", "b"]) == [b, a]
    assert store.select([]) == []
    caplog.clear()
    assert store.select(None) == [b]
    assert caplog.text == "", "reported already"
    for names in (["a", "nope"], ["a", "../a"], ["a", ""], ["A"]):
        with pytest.raises(LexiconNotFound, match="unknown lexicon") as caught:
            store.select(names)
        assert caught.value.param == "lexicons"
    with pytest.raises(InvalidRequest, match="11 lexicons: the limit is 10"):
        store.select(["a"] * 11)


def test_limits_of_the_store(folder: Path) -> None:
    store = LexiconStore(folder, max_lexicons=1, max_entries=2)
    store.put("a", document())
    store.put("a", document(entries={"x": "y", "z": "y"}))
    with pytest.raises(Conflict, match=r"the store has 1 lexicons \(limit: 1\): remove one first"):
        store.put("b", document())
    with pytest.raises(InvalidRequest, match="3 entries: the limit is 2"):
        store.put("a", document(entries={"x": "y", "z": "y", "u": "y"}))
    assert len(store.get("a").entries) == 2


@pytest.mark.parametrize("name", ["", "A", "1a", "a b", "../a", "a.json", "a/b", "é", "a" * 65, "a\n", ".tmp-a"])
def test_invalid_name_is_refused(folder: Path, name: str) -> None:
    store = LexiconStore(folder)
    with pytest.raises(InvalidRequest, match="must match"):
        store.put(name, document())
    with pytest.raises(LexiconNotFound):
        store.get(name)
    with pytest.raises(LexiconNotFound):
        store.remove(name)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b'{"entries": {"a"', "Invalid JSON"),
        (b"\xff\xfe\x00", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b"[" * 100_000, "Invalid JSON"),
        (b'{"entries": {"a": 1}}', "entries.a: Input should be a valid string"),
        (b'{"entries": {"a": ""}}', "the respelling '' of 'a' has no letter"),
        (b'{"entries": {}, "word": 1}', "word: Extra inputs"),
        (b'{"entries": {"a": "b", "c": "d", "e": "f"}}', "it has 3 entries, and the limit is 2"),
        (b" " * (16 * 2**20 + 1), "it is larger than"),
        (None, "Is a directory"),
    ],
)
def test_damaged_file_is_named_and_does_not_hide_others(
    folder: Path, caplog: pytest.LogCaptureFixture, content: bytes | None, reason: str
) -> None:
    LexiconStore(folder).put("good", document())
    bad = folder / "bad.json"
    if content is None:
        bad.mkdir()
    else:
        bad.write_bytes(content)
    store = LexiconStore(folder, default=["bad", "good"], max_entries=2)
    store.log_problems()
    damaged = [record.getMessage() for record in caplog.records if "damaged and ignored" in record.getMessage()]
    assert len(damaged) == 1
    assert str(bad) in damaged[0]
    assert [lexicon.name for lexicon in store.select(None)] == ["good"]
    with pytest.raises(LexiconNotFound, match="the file of the lexicon 'bad' is damaged") as caught:
        store.select(["bad"])
    assert reason in caught.value.message
    first, second = store.summaries()
    assert (first.name, first.default, second.name, second.size, second.error) == ("bad", True, "good", 1, None)
    assert reason in (first.error or "")
    if content is not None:
        assert store.put("bad", document())[0] is store.get("bad")
        store.remove("bad")


def test_other_files_in_the_folder_are_ignored(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("Notes.json", "a.txt", ".tmp-a", ".json", "b.json.bak"):
        (folder / name).write_text("{}")
    assert LexiconStore(folder).names() == []


def test_failed_write_keeps_the_old_dictionary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LexiconStore(folder)
    before, _ = store.put("a", document())

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(GatewayError, match="the lexicon 'a' cannot be stored: No space left on device"):
            store.put("a", document(entries={"x": "y"}))
    assert store.get("a") is before
    assert [path.name for path in folder.iterdir()] == ["a.json"]


def test_unusable_folder_ends_the_start_and_a_read_only_one_does_not(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("")
    with pytest.raises(NotADirectoryError):
        LexiconStore(folder)
    with pytest.raises(GatewayError, match="the lexicon 'a' cannot be stored: "):
        LexiconStore(Path("/proc/1/no/lexicons")).put("a", document())


def test_concurrent_writes_leave_one_whole_dictionary(folder: Path) -> None:
    store = LexiconStore(folder)
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                store.put("a", document(entries={f"word{index}": f"w {'x' * number}" for index in range(50)}))
                assert len(set(store.get("a").entries.values())) == 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [path.name for path in folder.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"entries": {"": "x"}}, "a word is empty"),
        ({"entries": {" \n": "x"}}, "a word is empty"),
        ({"entries": {"a": " "}}, "the respelling ' ' of 'a' has no letter"),
        ({"entries": {"a": "24/7"}}, "the respelling '24/7' of 'a' has no letter"),
        ({"entries": {"a" * 201: "x"}}, "has 201 characters: the limit is 200"),
        ({"entries": {"a": "x" * 201}}, "has 201 characters: the limit is 200"),
        ({"entries": {"a\0": "x"}}, r"has the control character '\\x00'"),
        ({"entries": {"a": "x\uffff"}}, r"has the control character '\\uffff'"),
        ({"entries": {"é": "x", "e\u0301": "y"}}, "'é' has two respellings"),
        ({"language": "english!"}, "language"),
        ({"language": "en\n"}, "language"),
        ({"voices": [""]}, "voices"),
        ({"voices": ["x"] * 101}, "voices"),
    ],
)
def test_invalid_document_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        document(**fields)


def test_entries_are_normalized_and_digits_are_left_to_the_engine() -> None:
    entries = {" New\n York ": " e\u0301  x ", "24/7": "twenty four seven", "v2": "version 2"}
    assert document(entries=entries).entries == {
        "New York": "é x",
        "24/7": "twenty four seven",
        "v2": "version 2",
    }


PLS = """<?xml version="1.0" encoding="UTF-8"?>
<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" xml:lang="en-US">
  <meta name="author" content="x"/>
  <lexeme>
    <grapheme>centre</grapheme>
    <grapheme> New
      York </grapheme>
    <phoneme>ˈsɛntər</phoneme>
    <alias>cen <!-- a comment -->ter</alias>
    <alias prefer="true">sen ter</alias>
    <example>The <emphasis>centre</emphasis>.</example>
  </lexeme>
  <lexeme role="noun"><grapheme>AT&amp;T</grapheme><alias><![CDATA[a t & t]]></alias></lexeme>
  <lexeme><grapheme>centre</grapheme><alias>later</alias></lexeme>
  <lexeme><grapheme>Worcester</grapheme><grapheme>centre</grapheme><phoneme>ˈwʊstə</phoneme></lexeme>
  <lexeme><grapheme>mute</grapheme></lexeme>
</lexicon>
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("namespace", [True, False])
def test_pls_aliases_are_read_and_phonemes_skipped(namespace: bool, encoding: str) -> None:
    text = PLS.replace("UTF-8", encoding.removesuffix("-sig"))
    if not namespace:
        text = text.replace(' xmlns="http://www.w3.org/2005/01/pronunciation-lexicon"', "")
    fields, skipped = parse_pls(text.encode(encoding))
    entries = {"centre": "sen ter", "New York": "sen ter", "AT&T": "a t & t"}
    assert fields == {"language": "en-US", "entries": entries}
    assert skipped == ["Worcester", "mute"]


def test_exported_pls_is_read_back(folder: Path) -> None:
    entries = {"AT&T <x>": "a t & t", '"q"': "]]> quote's", "微信": "威信"}
    for language in ("en-GB", None):
        lexicon, _ = LexiconStore(folder).put("a", document(language=language, entries=entries))
        exported = to_pls(lexicon)
        assert parse_pls(exported.encode()) == ({"language": language, "entries": entries}, [])


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><lexicon>&b;</lexicon>"""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not well-formed XML"),
        (b"{}", "not well-formed XML"),
        (b"<lexicon><lexeme></lexicon>", "not well-formed XML"),
        (b"<lexicon>\xff</lexicon>", "not well-formed XML"),
        (b"<speak/>", "the root element is 'speak': must be 'lexicon'"),
        (b"<lexicon><lexeme><alias>x</alias></lexeme></lexicon>", "a lexeme has no grapheme"),
        (BOMB.encode(), "has a document type or entities"),
        (b'<!DOCTYPE lexicon SYSTEM "file:///etc/passwd"><lexicon/>', "has a document type or entities"),
        (b"<lexicon>&xxe;</lexicon>", "not well-formed XML|document type or entities"),
        (b'<?xml version="1.0" encoding="big5"?><lexicon/>', "encoding"),
        (b'<?xml version="1.0" encoding="nonsense"?><lexicon/>', "encoding"),
        (b"<lexicon>" + b"<a/>" * MAX_ELEMENTS + b"</lexicon>", f"more than {MAX_ELEMENTS} elements"),
        (b"<lexicon>" + b"<a>" * 1_000_000, f"more than {MAX_ELEMENTS} elements"),
    ],
)
def test_invalid_pls_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_pls(data)


def test_deeply_nested_pls_is_read() -> None:
    depth = 50_000
    grapheme = b"<a>" * depth + b"x" + b"</a>" * depth
    data = b"<lexicon><lexeme><grapheme>%s</grapheme><alias>y</alias></lexeme></lexicon>" % grapheme
    assert parse_pls(data)[0]["entries"] == {"x": "y"}


def test_stored_file_is_readable_json(folder: Path) -> None:
    LexiconStore(folder).put("a", document(entries={"微信": "威信"}))
    text = (folder / "a.json").read_text()
    assert json.loads(text) == {"language": None, "voices": [], "entries": {"微信": "威信"}}
    assert '    "微信": "威信"' in text
