"""How the next frame is drawn: for every sequence with its own settings, noise and memory of frames, all at once.

Letters: R sequences drawn for, I ids of a head, V text vocabulary, n codebooks, C rows of a codebook.

The order of the stages is that of Fish-Speech v0.2.0 ``tools/llama/generate.py``: mask, repetition penalty (codebooks
only, never on the frame that follows the prompt), top-p, temperature, top-k, softmax, draw; all of it in float32 here.

Draws are exact and their noise comes from the CPU. Codes are drawn by the published race, the largest p / q with q
exponential. The text id is drawn by one uniform number against the cumulated probabilities instead, which has the same
distribution: a race needs noise for all of the vocabulary, and 16 sequences would wait 11 ms for it at every frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backends.fish.generation import Sampling
from backends.fish.v0_2.config import CODE_OFFSET, LMConfig

WINDOW = 16  # frames the repetition penalty looks back
LEAST_TEMPERATURE = 1e-5
ALL = 1 << 20  # as top-k: more than there are ids
PREFIXES = (64, 1024, 8192)  # on a CPU: so many of the likeliest ids are put in order first, as a rule enough


class Sampler:
    """Settings, noise and last frames of each slot.

    :param codes: how many codes the codec knows; ids beyond are never drawn. None: whatever the model says, as v0.2.0
        did (with 160 codes its decoder fails on 6 of 168 ids, which a trained model hardly ever draws).
    """

    def __init__(self, config: LMConfig, slots: int, device: torch.device, codes: int | None = None):
        self._vocabulary, self._codebooks, self._size = config.vocab_size, config.num_codebooks, config.codebook_size
        self._end = config.codebook_size if codes is None else CODE_OFFSET + codes
        self._device = device
        self._generators = [torch.Generator() for _ in range(slots)]
        self._drawn = [0] * slots  # frames since the one that followed the prompt
        self._settings = torch.ones(4, slots, device=device)  # temperature, top-p, top-k, penalty
        self._limited = [False] * slots
        # v0.2.0 looks at 16 columns of a buffer of zeros until there are 16 frames: zero is an id that is never drawn.
        self._window = torch.zeros(slots, self._codebooks, WINDOW, dtype=torch.int64, device=device)

    def start(self, slot: int, sampling: Sampling, seed: int) -> None:
        """Forget whoever was in a slot."""
        self._generators[slot].manual_seed(seed)
        self._drawn[slot] = 0
        self._window[slot] = 0
        top_k = sampling.top_k or ALL
        self._limited[slot] = sampling.top_p < 1 or top_k < ALL
        temperature = max(sampling.temperature, LEAST_TEMPERATURE)
        settings = [temperature, sampling.top_p, top_k, sampling.repetition_penalty]
        self._settings[:, slot] = torch.tensor(settings, device=self._device)

    def first(self, slot: int, logits: Tensor) -> Tensor:
        """Draw the frame that follows a prompt from (1, V + n * C); see :meth:`next`. It never ends speech."""
        return self._draw([slot], self._noise([slot]), logits, self._codes(logits, CODE_OFFSET))

    def next(self, slots: Sequence[int], logits: Tensor) -> Tensor:
        """Draw a frame for each of some slots.

        :param logits: (R, V + n * C) float32, in the order of ``slots``.
        :returns: (R, 1 + n + 1): text id, ids of codes, and whether logits were numbers at all (else the rest means
            nothing); int64, on the device.
        """
        noise = self._noise(slots)  # before all else, while a GPU is still at work on the logits
        at = torch.tensor(slots, device=self._device)
        codes = self._codes(logits, 1)
        window, penalty = self._window[at], self._settings[3, at, None, None]
        score = codes.gather(-1, window)
        codes.scatter_(-1, window, torch.where(score < 0, score * penalty, score / penalty))
        drawn = self._draw(slots, noise, logits, codes)
        column = torch.tensor([self._drawn[slot] % WINDOW for slot in slots], device=self._device)
        self._window[at, :, column] = drawn[:, 1:-1]
        for slot in slots:
            self._drawn[slot] += 1
        return drawn

    def _codes(self, logits: Tensor, masked: int) -> Tensor:
        """The codebooks' logits, (R, n, C), without the first ids and those beyond the codec's."""
        codes = logits[:, self._vocabulary :].reshape(len(logits), self._codebooks, self._size).clone()
        codes[..., :masked] = -torch.inf
        codes[..., self._end :] = -torch.inf
        return codes

    def _noise(self, slots: Sequence[int]) -> Tensor:
        """Exponential noise for each sequence's next frame, (R, 1 + n * C), on the CPU."""
        noise = torch.empty(len(slots), 1 + self._codebooks * self._size)
        for row, slot in zip(noise, slots, strict=True):
            row.exponential_(generator=self._generators[slot])
        return noise

    def _draw(self, slots: Sequence[int], noise: Tensor, logits: Tensor, codes: Tensor) -> Tensor:
        noise = noise.to(self._device)
        temperature, top_p, top_k, _ = self._settings[:, list(slots)]
        limited = any(self._limited[slot] for slot in slots)
        spread = probabilities(logits[:, : self._vocabulary], temperature, top_p, top_k, limited=limited)
        total = spread.cumsum(-1, dtype=torch.float64)
        place = noise[:, :1].neg().exp() * total[:, -1:]  # uniform in (0, total]
        token = torch.searchsorted(total, place).clamp(max=self._vocabulary - 1)
        temperature, top_p, top_k = (part.repeat_interleave(self._codebooks) for part in (temperature, top_p, top_k))
        race = probabilities(codes.flatten(0, 1), temperature, top_p, top_k, limited=limited).view_as(codes)
        code = (race / noise[:, 1:].view_as(codes)).argmax(-1)
        sound = logits.amax(-1, keepdim=True).isfinite()
        return torch.cat((token, code, sound), dim=1)


def probabilities(logits: Tensor, temperature: Tensor, top_p: Tensor, top_k: Tensor, *, limited: bool = True) -> Tensor:
    """Turn a head's logits (R, I) into what is drawn from.

    top-p drops an id when the likelier ones and it together have more than ``top_p``, the id that crosses it included;
    the likeliest stays. It comes before the temperature. top-k keeps those that are level with the last of the k.

    :param temperature: (R,); ``top_p`` and ``top_k`` likewise, at least 1 and at least I where they are off.
    :param limited: False where they are off in every row; the result is the same.
    """
    temperature, top_p, top_k = temperature[:, None], top_p[:, None], top_k[:, None]
    if not limited:
        return (logits / temperature).softmax(-1)
    order, kept = _ranked(logits, top_p, top_k)
    ranks = torch.arange(order.shape[1], device=logits.device)
    keep = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, order, ranks < kept) | (top_p >= 1)
    scaled = logits.masked_fill(~keep, -torch.inf) / temperature
    last = scaled.gather(1, order.gather(1, (top_k.long() - 1).clamp(max=order.shape[1] - 1)))
    last = last.masked_fill(top_k >= logits.shape[1], -torch.inf)
    return scaled.masked_fill(scaled < last, -torch.inf).softmax(-1)


def _ranked(logits: Tensor, top_p: Tensor, top_k: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest ids in order, (R, some), those of equal rank by number, and how many top-p keeps, (R, 1).

    To sort a whole vocabulary takes a CPU milliseconds. So many ids are put in order as settle what is kept in each
    row, those level with the last one included: a row's result does not depend on how many they are.
    """
    likely, width = logits.softmax(-1), logits.shape[1]
    for count in (*(PREFIXES if logits.device.type == "cpu" else ()), width):
        if count * 2 > width:
            order = logits.argsort(dim=-1, descending=True, stable=True)
        else:
            found = logits.topk(count).indices.sort(-1).values
            order = found.gather(1, logits.gather(1, found).argsort(dim=-1, descending=True, stable=True))
        together = likely.gather(1, order).cumsum(-1, dtype=torch.float64)
        kept = (together <= top_p).sum(-1, keepdim=True).clamp(min=1)
        if order.shape[1] == width:
            break
        needed = torch.where(top_p < 1, kept, width).minimum(top_k.long().clamp(max=width))
        least = logits.gather(1, order[:, -1:])
        at = logits.gather(1, order.gather(1, (needed - 1).clamp(max=count - 1)))
        free = (top_p >= 1) & (top_k >= width)
        if bool((free | ((needed < count) & (at > least))).all()):
            break
    return order, kept
