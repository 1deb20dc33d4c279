"""Tokenizer files in every layout give the published IDs, and prompts have the model's layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.fish import GOLDEN
from support.fish.tokenizer import PUBLISHED_SIZE, write_tokenizer

from backends.errors import InvalidJob, LoadError
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.prompt import prompt_rows, spell, with_codes
from backends.fish.v0_2.text.sentencepiece import read_backend, read_pieces
from backends.fish.v0_2.text.symbols import ALL_PHONES
from backends.fish.v0_2.text.tokenizer import Tokenizer, load_tokenizer

ORDER = ("zh", "jp", "en")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return load_tokenizer(write_tokenizer(tmp_path_factory.mktemp("tokenizer")))


class FakeConverter:
    def __init__(self, *phones: str):
        self.phones = list(phones)
        self.read: list[str] = []

    def warm_up(self) -> None:
        pass

    def __call__(self, text: str) -> list[str]:
        self.read.append(text)
        return self.phones


def test_synthetic_tokenizer_of_published_size_has_the_published_layout(tokenizer: Tokenizer) -> None:
    assert (tokenizer.size, tokenizer.pad_id, tokenizer.eos_id) == (PUBLISHED_SIZE, 36407, 2)
    ids = tokenizer.encode(" ".join(f"<p:{phone}>" for phone in ALL_PHONES))
    assert ids[0] == 1
    assert sorted(ids[1:]) == list(range(32000, 32311))
    assert tokenizer.encode("<s:0> <s:4095>")[1:] == [32311, 36406]


@pytest.mark.parametrize(("vocab_size", "pad_id"), [(300, 4), (300, None), (120, 3), (2000, 7), (36408, None)])
def test_synthetic_tokenizer_has_the_requested_size(tmp_path: Path, vocab_size: int, pad_id: int | None) -> None:
    loaded = load_tokenizer(write_tokenizer(tmp_path, vocab_size, pad_id))
    assert loaded.size == vocab_size
    assert loaded.pad_id == (vocab_size - 1 if pad_id is None else pad_id)
    assert loaded.eos_id == 2
    ids = loaded.encode("[INST] <p:n> <p:i3> , <p:UNK> </s> <pad> hello 你 [/INST]")
    assert ids[0] == 1
    assert max(ids) < vocab_size
    assert {2, loaded.pad_id} <= set(ids)


def test_ids_equal_those_of_transformers_4_36(tmp_path: Path) -> None:
    """For a sentencepiece Llama model with added tokens, in each layout of its files."""
    golden = json.loads((GOLDEN / "tokens.json").read_text(encoding="utf-8"))
    shutil.copy(GOLDEN / "tokenizer.model", tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps(golden["added"]))
    bare = load_tokenizer(tmp_path)
    assert (bare.size, bare.pad_id, bare.eos_id) == (428, 427, 2)
    assert [[text, bare.encode(text)] for text, _ in golden["cases"]] == golden["cases"]

    entries = {
        str(number): {"content": token, "normalized": token != "<pad>", "special": token == "<pad>"}
        for token, number in [*golden["added"].items(), ("<unk>", 0), ("<s>", 1), ("</s>", 2)]
    }
    for number in "012":
        entries[number] |= {"normalized": False, "special": True}
    (tmp_path / "added_tokens.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": entries}))
    listed = load_tokenizer(tmp_path)
    assert [[text, listed.encode(text)] for text, _ in golden["cases"]] == golden["cases"]

    backend = read_backend(tmp_path / "tokenizer.model")
    backend.add_tokens([token for token in golden["added"] if token != "<pad>"])
    backend.add_special_tokens(["<pad>"])
    backend.enable_truncation(5)
    backend.enable_padding(length=5000)
    backend.save(str(tmp_path / "tokenizer.json"))
    whole = load_tokenizer(tmp_path)
    assert [[text, whole.encode(text)] for text, _ in golden["cases"]] == golden["cases"]


def test_sentencepiece_pieces_have_ids_and_scores() -> None:
    pieces = read_pieces(GOLDEN / "tokenizer.model")
    assert len(pieces) == 420
    assert [text for text, _ in pieces[:4]] == ["<unk>", "<s>", "</s>", "<0x00>"]
    learned = [score for _, score in pieces[259:]]
    assert learned == sorted(learned, reverse=True)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer.model", "added_tokens.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"{}", b"[1]", b"\x0a\x03abc", b'{"a": 1}', b"\x0a\xff\x01"])
def test_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    if name != "tokenizer.json":
        shutil.copy(GOLDEN / "tokenizer.model", tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LoadError) as caught:
        load_tokenizer(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_missing_tokenizer_file_or_token_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"tokenizer\.json or tokenizer\.model"):
        load_tokenizer(tmp_path)
    shutil.copy(GOLDEN / "tokenizer.model", tmp_path)
    with pytest.raises(LoadError, match="<pad>"):
        load_tokenizer(tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<pad>": 430}))
    with pytest.raises(LoadError, match=r"added_tokens\.json.*<pad>.*430"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": {"420": {"text": "<pad>"}}}))
    with pytest.raises(LoadError, match=r"tokenizer_config\.json"):
        load_tokenizer(tmp_path)


def test_prompt_of_text_alone(tokenizer: Tokenizer) -> None:
    prompt = prompt_rows(tokenizer, "Hello; 世界…")
    assert prompt.dtype == np.int32
    assert prompt[0].tolist() == tokenizer.encode("[INST] Hello, 世界 [/INST]")
    assert prompt.shape[0] == 5
    assert not prompt[1:].any()


def test_prompt_of_phones(tokenizer: Tokenizer) -> None:
    converter = FakeConverter("n", "i2", ",", "h")
    prompt = prompt_rows(tokenizer, "你好", phonemizer=Phonemizer({"zh": converter}))
    assert prompt[0].tolist() == tokenizer.encode("[INST] <p:n> <p:i2> , <p:h> [/INST]")


def test_transcript_shares_the_instruction_and_codes_follow_it(tokenizer: Tokenizer) -> None:
    codes = np.arange(40).reshape(4, 10)
    rows = prompt_rows(tokenizer, "再见", transcript=spell("你好…", None, ORDER), speaker="Ann B.")
    prompt = with_codes(rows, codes, tokenizer.pad_id)
    ids = tokenizer.encode("[INST] [SPK: Ann B.] 你好 再见 [/INST]")
    assert prompt.shape == (5, len(ids) + 10)
    assert prompt.dtype == np.int32
    assert prompt[0].tolist() == [*ids, *[tokenizer.pad_id] * 10]
    assert not prompt[1:, : len(ids)].any()
    np.testing.assert_array_equal(prompt[1:, len(ids) :], codes + 2)
    np.testing.assert_array_equal(with_codes(rows, codes[:, :0], tokenizer.pad_id), rows)


def test_transcript_does_not_change_the_language_of_the_text(tokenizer: Tokenizer) -> None:
    chinese, japanese = FakeConverter("n"), FakeConverter("k")
    phonemizer = Phonemizer({"zh": chinese, "jp": japanese})
    transcript = spell("こんにちは。", phonemizer, ORDER)
    prompt = prompt_rows(tokenizer, "你好吗。", transcript=transcript, phonemizer=phonemizer)
    assert (chinese.read, japanese.read) == (["你好吗."], ["こんにちは."])
    assert prompt[0].tolist() == tokenizer.encode("[INST] <p:k> <p:n> [/INST]")


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint8])
def test_codes_of_any_integer_type_are_appended(tokenizer: Tokenizer, dtype: type) -> None:
    codes = np.full((4, 3), 253, dtype)
    assert with_codes(prompt_rows(tokenizer, "a"), codes, 4)[1:, -3:].tolist() == [[255] * 3] * 4


@pytest.mark.parametrize("text", ["</s> a", "a<pad>", "<s>a", "<unk> a", "<jp>a</jp>"])
def test_special_token_in_text_is_rejected(tokenizer: Tokenizer, text: str) -> None:
    with pytest.raises(InvalidJob, match="use_g2p") as caught:
        prompt_rows(tokenizer, text)
    assert caught.value.param == "text"


@pytest.mark.parametrize("speaker", ["", " ", "a]", "[a", "<s>", "a\nb", "a\u2028b", "</s>", "a\x00"])
def test_speaker_with_markup_is_rejected(tokenizer: Tokenizer, speaker: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        prompt_rows(tokenizer, "a", speaker=speaker)
    assert caught.value.param == "options.speaker"


@pytest.mark.parametrize("text", ["", "  ", "…", "🎉", "?!", "é", "<jp></jp>", "<p:,>"])
@pytest.mark.parametrize("phones", [True, False])
def test_text_without_speech_is_rejected(tokenizer: Tokenizer, text: str, phones: bool) -> None:
    phonemizer = Phonemizer({"zh": FakeConverter(), "en": FakeConverter()}) if phones else None
    with pytest.raises(InvalidJob, match="nothing to speak") as caught:
        prompt_rows(tokenizer, text, transcript="你好", phonemizer=phonemizer)
    assert caught.value.param == "text"


def test_text_whose_phones_are_all_punctuation_is_rejected(tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidJob, match="nothing to speak"):
        prompt_rows(tokenizer, "<zh>a.</zh>", phonemizer=Phonemizer({"zh": FakeConverter(".")}))
