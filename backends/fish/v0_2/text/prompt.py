"""The prompt layout of Fish-Speech 0.2.

Row 0 of a prompt holds token IDs, the rows below it codes + 2, or 0 for no code. A reference's transcript and the text
share one instruction; the reference's codes follow it. Source: Fish-Speech v0.2.0 ``tools/llama/generate.py``,
``encode_tokens``.
"""

from __future__ import annotations

import numpy as np

from backends.base import Codes
from backends.errors import InvalidJob
from backends.fish.generation import Prompt
from backends.fish.v0_2.config import CODE_OFFSET, CODEBOOKS
from backends.fish.v0_2.text.chunks import has_speech
from backends.fish.v0_2.text.clean import clean_text
from backends.fish.v0_2.text.languages import MARKUP, Order
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.tokenizer import Tokenizer

_FORBIDDEN = frozenset("[]<>")
_NO_SPEECH = "contains nothing to speak; it needs a letter or a digit"


def prompt_rows(
    tokenizer: Tokenizer,
    text: str,
    *,
    transcript: str = "",
    speaker: str | None = None,
    phonemizer: Phonemizer | None = None,
    order: Order = ("zh", "jp", "en"),
) -> Prompt:
    """Build the prompt of a text, without a voice's codes.

    :param transcript: of the voice, as :func:`spell` returns it; may be empty.
    :param speaker: a speaker the checkpoint was fine-tuned on.
    :param phonemizer: converts the text to phones; None: the model reads letters.
    :param order: languages by preference.
    :returns: shape (1 + K, T), T in tokens.
    :raises InvalidJob: if there is nothing to speak, the text cannot be read, or the speaker's name is invalid.
    """
    spelled = spell(text, phonemizer, order)
    tag = "" if speaker is None else f"[SPK: {check_speaker(speaker)}] "
    ids = tokenizer.encode(f"[INST] {tag}{transcript}{' ' if transcript else ''}{spelled} [/INST]")
    rows = np.zeros((1 + CODEBOOKS, len(ids)), np.int32)
    rows[0] = ids
    return rows


def with_codes(rows: Prompt, codes: Codes, pad_id: int) -> Prompt:
    """Append a voice's codes to a prompt.

    :param rows: shape (1 + K, T), T in tokens.
    :param codes: shape (K, T), T in code frames; T may be 0.
    """
    tokens = np.full((1, codes.shape[1]), pad_id, np.int32)
    return np.concatenate((rows, np.concatenate((tokens, codes.astype(np.int32) + CODE_OFFSET))), axis=1)


def spell(text: str, phonemizer: Phonemizer | None, order: Order) -> str:
    """Return a text as it is written in a prompt.

    Unlike in the original, a transcript and the text after it are spelled separately, so that neither is read in the
    other's language.

    :param phonemizer: converts the text to phones; None: letters are kept.
    :raises InvalidJob: naming ``text``, if there is nothing to speak or the text cannot be read.
    """
    if not has_speech(text):
        raise InvalidJob(_NO_SPEECH, param="text")
    if phonemizer is None:
        for markup in MARKUP.findall(text):  # ``</s>``, for example, is a token that ends the model's turn
            if not markup.startswith("<p:"):
                raise InvalidJob(f"contains the markup {markup}, which is allowed only with use_g2p", param="text")
        return clean_text(text)
    phones = phonemizer(text, order)
    if "<p:" not in phones:
        raise InvalidJob(_NO_SPEECH, param="text")
    return phones


def check_speaker(name: str) -> str:
    """Return a speaker's name that cannot be mistaken for other parts of a prompt.

    :raises InvalidJob: naming ``options.speaker``.
    """
    if not name.strip() or not name.isprintable() or not _FORBIDDEN.isdisjoint(name):
        message = f"invalid speaker {name!r}: must be printable text without [ ] < >"
        raise InvalidJob(message, param="options.speaker")
    return name
