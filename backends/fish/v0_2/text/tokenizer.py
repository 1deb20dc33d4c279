"""The tokenizer of a Fish-Speech 0.2 checkpoint: Llama 2's pieces, a token for each phone, and ``<pad>``.

Phones are ordinary added tokens. The published files number them in random order, so IDs must be looked up by name.
Source: Fish-Speech v0.2.0 ``tools/llama/rebuild_tokenizer.py``.
"""

from __future__ import annotations

import json
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.errors import LoadError
from backends.fish.v0_2.text.sentencepiece import read_backend

if TYPE_CHECKING:
    import tokenizers

BEGIN, END, PADDING = "<s>", "</s>", "<pad>"
FILES = ("tokenizer.json", "tokenizer.model")  # either; the second needs a list of added tokens beside it


class Tokenizer:
    """Converts text to token IDs.

    :param backend: a tokenizer of the tokenizers library.
    :param source: its file, for errors.
    :raises LoadError: if a token that prompts need is missing.
    """

    def __init__(self, backend: tokenizers.Tokenizer, source: Path):
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self._begin_id, self.eos_id, self.pad_id = (self._id(name, source) for name in (BEGIN, END, PADDING))
        self.size = max(backend.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, text: str) -> list[int]:
        """Return the ID of ``<s>`` and the IDs of a text."""
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return [self._begin_id, *ids]

    def _id(self, token: str, source: Path) -> int:
        found: int | None = self._backend.token_to_id(token)
        if found is None:
            raise LoadError(f"{source}: has no token {token}, so it is not a tokenizer of Fish-Speech 0.2")
        return found


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load a tokenizer from Hugging Face files: ``tokenizer.json``, or ``tokenizer.model`` with its added tokens.

    :raises LoadError: naming the invalid file, or the missing ones.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise LoadError(f"the fish engine needs tokenizers: pip install 'voxgate[fish]' ({error})") from error
    whole, pieces = (folder / name for name in FILES)
    if whole.is_file():
        try:
            return Tokenizer(tokenizers.Tokenizer.from_file(str(whole)), whole)
        except LoadError:
            raise
        except Exception as error:  # the library raises no narrower type
            raise LoadError(f"{whole}: not a readable tokenizer: {error}") from error
    if pieces.is_file():
        backend = read_backend(pieces)
        _add_tokens(backend, folder)
        return Tokenizer(backend, pieces)
    raise LoadError(f"{folder}: has no {' or '.join(FILES)}")


def _add_tokens(backend: tokenizers.Tokenizer, folder: Path) -> None:
    """Add the tokens that ``tokenizer_config.json`` or ``added_tokens.json`` lists, in the order of their IDs."""
    from tokenizers import AddedToken

    config, plain = folder / "tokenizer_config.json", folder / "added_tokens.json"
    listed = _read_json(config).get("added_tokens_decoder", {})
    source = config if listed else plain
    if not listed:
        listed = {number: {"content": token} for token, number in _read_json(plain).items()}
    try:
        entries = sorted(((int(number), entry) for number, entry in listed.items()), key=itemgetter(0))
        tokens = []
        for _, entry in entries:
            special = bool(entry.get("special", entry["content"] == PADDING))
            flags = {name: bool(entry.get(name, False)) for name in ("single_word", "lstrip", "rstrip")}
            flags |= {"normalized": bool(entry.get("normalized", not special)), "special": special}
            tokens.append(AddedToken(entry["content"], **flags))
        for special, group in groupby(tokens, key=attrgetter("special")):
            (backend.add_special_tokens if special else backend.add_tokens)(list(group))
        for number, entry in entries:
            if backend.token_to_id(entry["content"]) != number:
                raise LoadError(f"{source}: {entry['content']} cannot have ID {number}: earlier tokens are missing")
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise LoadError(f"{source}: not a list of added tokens: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LoadError(f"{path}: not readable JSON: {error}") from error
    if not isinstance(content, dict):
        raise LoadError(f"{path}: not a JSON object")
    return content
