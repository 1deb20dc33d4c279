"""How an English word is said that no dictionary has: g2p_en's network, one GRU for letters and one for phones.

Only the weights of the g2p-en package are used: importing it would ask the network for NLTK's data. Source: g2p_en
2.1.0 ``g2p.py`` (Apache-2.0).

Letters in shapes: H hidden units, E embedding, V phones.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backends.errors import LoadError
from backends.fish.v0_2.text.symbols import EN_UNSTRESSED, PHONES

Vector = npt.NDArray[np.float32]

LONGEST_WORD = 100  # letters; what is behind them is not read
MOST_PHONES = 20  # said of a word

_UNKNOWN, _END = 1, 2  # letters' ids before those of a to z
_START, _STOP = 2, 3  # phones' ids before those of the phones
# The network's list is the model's but for three vowels without stress.
_PHONES = sorted(PHONES["en"] - set(EN_UNSTRESSED) | {"UW"})
_STRESSED = {"UW": "UW0"}


class Guesser:
    """The network.

    :param path: ``checkpoint20.npz`` of the package.
    :raises LoadError: it is not that file.
    """

    def __init__(self, path: Path):
        try:
            with np.load(path, allow_pickle=False) as file:
                weights = {name: file[name] for name in file.files}
            self._letters: Vector = weights["enc_emb"]  # (29, E)
            self._said: Vector = weights["dec_emb"]  # (V, E)
            names = ("w_ih", "w_hh", "b_ih", "b_hh")  # (3 H, E), (3 H, H), (3 H), (3 H)
            self._encoder: list[Vector] = [weights[f"enc_{name}"] for name in names]
            self._decoder: list[Vector] = [weights[f"dec_{name}"] for name in names]
            self._output: tuple[Vector, Vector] = (weights["fc_w"], weights["fc_b"])  # (V, H), (V)
        except (OSError, ValueError, KeyError) as error:
            raise LoadError(f"{path}: not the weights of g2p-en ({error})") from error
        self._cached = lru_cache(maxsize=4096)(self._guess)

    def __call__(self, word: str) -> tuple[str, ...]:
        """The phones of a word in small letters."""
        return self._cached(word[:LONGEST_WORD])

    def _guess(self, word: str) -> tuple[str, ...]:
        state = np.zeros(self._encoder[1].shape[1], np.float32)  # (H)
        for char in word:
            letter = ord(char) - ord("a") + 3 if "a" <= char <= "z" else _UNKNOWN
            state = _gru_step(self._letters[letter], state, *self._encoder)
        state = _gru_step(self._letters[_END], state, *self._encoder)
        weight, bias = self._output
        phones: list[str] = []
        said = _START
        for _ in range(MOST_PHONES):
            state = _gru_step(self._said[said], state, *self._decoder)
            said = int(np.argmax(weight @ state + bias))
            if said == _STOP:
                break
            if said > _STOP:
                phone = _PHONES[said - _STOP - 1]
                phones.append(_STRESSED.get(phone, phone))
        return tuple(phones)


def _gru_step(x: Vector, state: Vector, w_ih: Vector, w_hh: Vector, b_ih: Vector, b_hh: Vector) -> Vector:
    """One step of a GRU in PyTorch's layout: reset, update, new.

    :param x: shape (E).
    :param state: shape (H); so is what is returned.
    """
    size = len(state)
    inward, across = w_ih @ x + b_ih, w_hh @ state + b_hh
    gates = 0.5 + 0.5 * np.tanh(0.5 * (inward[: 2 * size] + across[: 2 * size]))  # sigmoid, without overflow
    reset, update = gates[:size], gates[size:]
    new = np.tanh(inward[2 * size :] + reset * across[2 * size :])
    stepped: Vector = (1 - update) * new + update * state
    return stepped
