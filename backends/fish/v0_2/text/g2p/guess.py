"""Pronunciation of English words that no dictionary has: g2p_en's network, a GRU encoder and a GRU decoder.

Voxgate ships its weights: the package requires a GPL package, and downloads NLTK data. Source: ``g2p.py`` of 2.1.0
(Apache-2.0). In shape comments, D is the width of the hidden state, E of an embedding, and V the number of phones.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backends.errors import LoadError
from backends.fish.v0_2.text.symbols import EN_UNSTRESSED, PHONES

Vector = npt.NDArray[np.float32]

LONGEST_WORD = 100  # letters; further ones are ignored
MAX_PHONES = 20  # per word

_UNKNOWN, _END = 1, 2  # letter IDs before those of a to z
_START, _STOP = 2, 3  # phone IDs before those of the phones
# The network's inventory is the model's, except for three vowels without stress.
_PHONES = sorted(PHONES["en"] - set(EN_UNSTRESSED) | {"UW"})
_STRESSED = {"UW": "UW0"}


class Guesser:
    """The network.

    :param path: ``checkpoint20.npz`` of the package.
    :raises LoadError: if it is not that file.
    """

    def __init__(self, path: Path):
        try:
            with np.load(path, allow_pickle=False) as file:
                weights = {name: file[name] for name in file.files}
            self._letters: Vector = weights["enc_emb"]  # (29, E)
            self._phones: Vector = weights["dec_emb"]  # (V, E)
            names = ("w_ih", "w_hh", "b_ih", "b_hh")  # (3 D, E), (3 D, D), (3 D,), (3 D,)
            self._encoder: list[Vector] = [weights[f"enc_{name}"] for name in names]
            self._decoder: list[Vector] = [weights[f"dec_{name}"] for name in names]
            self._output: tuple[Vector, Vector] = (weights["fc_w"], weights["fc_b"])  # (V, D), (V,)
        except (OSError, ValueError, KeyError) as error:
            raise LoadError(f"{path}: not the weights of g2p-en: {error}") from error
        self._cached = lru_cache(maxsize=4096)(self._guess)

    def __call__(self, word: str) -> tuple[str, ...]:
        """Return the phones of a lowercase word."""
        return self._cached(word[:LONGEST_WORD])

    def _guess(self, word: str) -> tuple[str, ...]:
        state = np.zeros(self._encoder[1].shape[1], np.float32)  # (D,)
        for char in word:
            letter = ord(char) - ord("a") + 3 if "a" <= char <= "z" else _UNKNOWN
            state = _gru_step(self._letters[letter], state, *self._encoder)
        state = _gru_step(self._letters[_END], state, *self._encoder)
        weight, bias = self._output
        phones: list[str] = []
        phone_id = _START
        for _ in range(MAX_PHONES):
            state = _gru_step(self._phones[phone_id], state, *self._decoder)
            phone_id = int(np.argmax(weight @ state + bias))
            if phone_id == _STOP:
                break
            if phone_id > _STOP:
                phone = _PHONES[phone_id - _STOP - 1]
                phones.append(_STRESSED.get(phone, phone))
        return tuple(phones)


def _gru_step(x: Vector, state: Vector, w_ih: Vector, w_hh: Vector, b_ih: Vector, b_hh: Vector) -> Vector:
    """One step of a GRU in PyTorch's layout: reset, update, new.

    :param x: shape (E,).
    :param state: shape (D,), like the result.
    """
    size = len(state)
    inward, across = w_ih @ x + b_ih, w_hh @ state + b_hh
    gates = 0.5 + 0.5 * np.tanh(0.5 * (inward[: 2 * size] + across[: 2 * size]))  # sigmoid, without overflow
    reset, update = gates[:size], gates[size:]
    new = np.tanh(inward[2 * size :] + reset * across[2 * size :])
    stepped: Vector = (1 - update) * new + update * state
    return stepped
