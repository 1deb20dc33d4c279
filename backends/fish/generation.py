"""What the language model is given and what it gives back. Imports no torch.

Letters: S columns of a prompt, n codebooks, k frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next frame is drawn from the model's output; see ``sampling`` for what each does exactly.

    :param top_p: 1 and above: off.
    :param top_k: None or 0: off.
    :param temperature: 0 always takes the likeliest.
    :param repetition_penalty: of codes in the last frames; 1: off.
    """

    temperature: float = 0.7
    top_p: float = 0.5
    top_k: int | None = None
    repetition_penalty: float = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A prompt to be continued.

    :param owner: the job it belongs to; jobs take turns.
    :param prompt: shape (1 + n, S): text ids over codes + 2.
    :param seed: of the noise, which is drawn on the CPU: the same on every device.
    :param max_new_tokens: frames made at most, of which the last is never handed out; 0: until the context is full.
    """

    id: str
    owner: str
    prompt: npt.NDArray[np.integer]
    seed: int
    sampling: Sampling = field(default_factory=Sampling)
    max_new_tokens: int = 0

    @property
    def frames(self) -> int:
        """The work that is known beforehand: columns of the prompt."""
        return int(self.prompt.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """What a step made of a sequence.

    :param codes: new codes in their order, shape (n, k) with k >= 0.
    :param ended: nothing more comes of it.
    :param failure: why it ended early, or None.
    """

    id: str
    codes: npt.NDArray[np.int64]
    ended: bool = False
    failure: str | None = None
