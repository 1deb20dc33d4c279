"""The tokenizer: ASCII letters, English phones and the marks of a prompt; 172 ids in all.

A phone's token includes the white space around it, which halves a prompt: the published tokenizer has a token for each
of those spaces. Letters give any text ids, but the model is not trained on them.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, normalizers, processors

from backends.fish.v0_2.text.symbols import PHONES, token
from backends.fish.v0_2.text.tokenizer import BEGIN, END, PADDING

UNKNOWN, SPACE = "<unk>", "▁"
OPEN, CLOSE = "[INST]", "[/INST]"
MARKS = (",", ".", "?", "!", "-", "'")


def names() -> list[str]:
    """List all tokens in the order of their ids."""
    letters = [SPACE, *map(chr, range(0x21, 0x7F))]
    phones = [token(phone) for phone in sorted(PHONES["en"])]
    return [UNKNOWN, BEGIN, END, *letters, OPEN, CLOSE, *phones, PADDING]


IDS = {name: number for number, name in enumerate(names())}
SIZE = len(IDS)
BEGIN_ID, END_ID, PAD_ID, OPEN_ID, CLOSE_ID = (IDS[name] for name in (BEGIN, END, PADDING, OPEN, CLOSE))


def text_ids(phones: list[str]) -> list[int]:
    """Convert a text's phones and marks to ids, as the engine's prompt has them."""
    return [BEGIN_ID, OPEN_ID, *(IDS[token(phone)] for phone in phones), CLOSE_ID]


def write_tokenizer(folder: Path) -> None:
    """Write the files that the engine and Hugging Face's AutoTokenizer read."""
    folder.mkdir(parents=True, exist_ok=True)
    added = [OPEN, CLOSE, *MARKS, *(token(phone) for phone in sorted(PHONES["en"]))]
    backend = Tokenizer(models.BPE(dict(IDS), [], unk_token=UNKNOWN, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A {BEGIN} $B", special_tokens=[(BEGIN, BEGIN_ID)]
    )
    specials = (UNKNOWN, BEGIN, END, PADDING)
    backend.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in specials])
    backend.add_tokens([AddedToken(name, lstrip=True, rstrip=True, normalized=False) for name in added])
    if backend.get_vocab_size(with_added_tokens=True) != SIZE:
        raise ValueError("an added token is not in the vocabulary")
    backend.save(str(folder / "tokenizer.json"))
    marks = {"bos_token": BEGIN, "eos_token": END, "unk_token": UNKNOWN, "pad_token": PADDING}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1024, **marks}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(marks, indent=1) + "\n", encoding="utf-8")
