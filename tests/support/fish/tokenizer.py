"""Synthetic tokenizer files in the published layout: few merges, a token for every phone."""

from __future__ import annotations

import random
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, normalizers

from backends.fish.v0_2.text.symbols import ALL_PHONES

SPACE = "▁"
SPECIALS = ("<unk>", "<s>", "</s>")
LETTERS = (SPACE, *map(chr, range(0x21, 0x7F)))
BYTES = tuple(f"<0x{value:02X}>" for value in range(256))
MERGES = (("I", "N"), ("S", "T"), ("h", "e"), (SPACE, "t"), (SPACE + "t", "he"))
SEMANTIC = tuple(f"<s:{index}>" for index in range(4096))
PUBLISHED_SIZE = 36408


def write_tokenizer(folder: Path, vocab_size: int = PUBLISHED_SIZE, pad_id: int | None = None) -> Path:
    """Write a ``tokenizer.json`` of ``vocab_size`` tokens; ``<s>`` is 1 and ``</s>`` is 2.

    At the published size the layout is the published one: 32000 pieces, 311 phones, 4096 unused tokens, ``<pad>`` last.
    A smaller tokenizer has ``<pad>``, ASCII, bytes if there is room, and as many phones as fit.

    :param pad_id: the ID of ``<pad>``; None: the last one.
    :returns: the folder.
    """
    phones = [f"<p:{phone}>" for phone in ALL_PHONES]
    random.Random(0).shuffle(phones)  # the published files number them at random
    pieces = [*SPECIALS]
    added: list[str]
    if vocab_size >= PUBLISHED_SIZE:
        added = [*phones, *SEMANTIC]
        pieces += [*BYTES, *LETTERS, *(left + right for left, right in MERGES)]
        room = vocab_size - len(added) - 1 - len(pieces)
        pieces += [*(chr(0x4E00 + index) for index in range(room))]
    else:
        wide = vocab_size >= 800
        pieces += [*(BYTES if wide else ()), *LETTERS, *(left + right for left, right in MERGES)]
        added = phones[: vocab_size - len(pieces) - 1]
        pieces += [f"<unused:{index}>" for index in range(vocab_size - len(pieces) - len(added) - 1)]
    tokens = [*pieces, *added]
    tokens.insert(vocab_size - 1 if pad_id is None else pad_id, "<pad>")
    assert len(tokens) == vocab_size == len(set(tokens))

    vocabulary = {token: index for index, token in enumerate(tokens)}
    fallback = BYTES[0] in vocabulary
    backend = Tokenizer(
        models.BPE(vocabulary, [*MERGES], unk_token="<unk>", fuse_unk=True, byte_fallback=fallback)  # type: ignore[arg-type]
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (*SPECIALS, "<pad>")])
    backend.add_tokens(added)
    folder.mkdir(parents=True, exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    return folder
