"""What the language model of Fish-Speech 0.2 is given to continue.

Row 0 of a prompt holds token ids, the rows below the codes of the codebooks plus 2; 0 there is none. A reference's
codes stand behind its text and the text to speak, which share one instruction. Source: Fish-Speech v0.2.0
``tools/llama/generate.py``, ``encode_tokens``.

Letters in shapes: Q codebooks, S columns, T code frames.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backends.errors import InvalidJob
from backends.fish.v0_2.config import CODE_OFFSET, CODEBOOKS
from backends.fish.v0_2.text.chunks import has_speech
from backends.fish.v0_2.text.clean import clean_text
from backends.fish.v0_2.text.languages import MARKUP, Order
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.tokenizer import Tokenizer

Codes = npt.NDArray[np.integer]
Prompt = npt.NDArray[np.int32]

_FORBIDDEN = frozenset("[]<>")


def build_prompt(
    tokenizer: Tokenizer,
    text: str,
    *,
    transcript: str = "",
    speaker: str | None = None,
    phonemizer: Phonemizer | None = None,
    order: Order = ("zh", "jp", "en"),
) -> Prompt:
    """Make the prompt that has a text spoken, without a voice's codes.

    :param transcript: what is said in the voice, as :func:`spell` gives it; empty without one.
    :param speaker: a speaker the checkpoint was fine-tuned on.
    :param phonemizer: spells the text in phones; None: it is given in letters.
    :param order: languages, those preferred first.
    :returns: shape (1 + Q, S).
    :raises InvalidJob: nothing to say, something that cannot be read, or an unfit speaker's name.
    """
    said = spell(text, phonemizer, order)
    tag = "" if speaker is None else f"[SPK: {check_speaker(speaker)}] "
    ids = tokenizer.encode(f"[INST] {tag}{transcript}{' ' if transcript else ''}{said} [/INST]")
    prompt = np.zeros((1 + CODEBOOKS, len(ids)), np.int32)
    prompt[0] = ids
    return prompt


def with_codes(text_rows: Prompt, codes: Codes, pad_id: int) -> Prompt:
    """A prompt with a voice's codes behind its text.

    :param text_rows: shape (1 + Q, S).
    :param codes: shape (Q, T), from 0 on; T may be 0.
    :returns: shape (1 + Q, S + T).
    """
    row = np.full((1, codes.shape[1]), pad_id, np.int32)
    return np.concatenate((text_rows, np.concatenate((row, codes.astype(np.int32) + CODE_OFFSET))), axis=1)


def spell(text: str, phonemizer: Phonemizer | None, order: Order) -> str:
    """A text as it stands in a prompt.

    A transcript and the text behind it are spelled apart, unlike in the original, so that neither is read in the
    other's language.

    :param phonemizer: spells it in phones; None: letters stay.
    :raises InvalidJob: naming ``text``: nothing to say, or something that cannot be read.
    """
    if not has_speech(text):
        raise InvalidJob("there is nothing to say in this text", param="text")
    if phonemizer is None:
        for markup in MARKUP.findall(text):  # ``</s>``, say, is a token by which the model's turn ends
            if not markup.startswith("<p:"):
                raise InvalidJob(f"{markup} is markup, which is read with use_g2p only", param="text")
        return clean_text(text)
    spelled = phonemizer(text, order)
    if "<p:" not in spelled:
        raise InvalidJob("there is nothing to say in this text", param="text")
    return spelled


def check_speaker(name: str) -> str:
    """The name of a speaker, which cannot break out of its place in a prompt.

    :raises InvalidJob: naming ``options.speaker``.
    """
    if not name.strip() or not name.isprintable() or not _FORBIDDEN.isdisjoint(name):
        raise InvalidJob("a speaker's name is printable and has none of [ ] < >", param="options.speaker")
    return name
