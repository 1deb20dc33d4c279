"""The sampler: draws the next frame of every sequence with its own parameters, noise and penalty window, in one batch.

The order of operations is that of Fish-Speech v0.2.0 ``tools/llama/generate.py``: mask, repetition penalty (codes
only, never on the first frame), top-p, temperature, top-k, softmax, draw. All of it is float32 here.

Noise comes from the CPU. A code is drawn by the exponential race that v0.2.0 uses: the largest p / q with q
exponential. The token is drawn by inverse transform sampling instead, which has the same distribution: a race needs
noise for the whole vocabulary, which for 16 sequences takes 11 ms per frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backends.fish.generation import Sampling
from backends.fish.v0_2.config import CODE_OFFSET, LMConfig

WINDOW = 16  # frames that the repetition penalty covers
MIN_TEMPERATURE = 1e-5
NO_TOP_K = 1 << 20  # more than there are IDs
PREFIXES = (64, 1024, 8192)  # on a CPU, sort this many of the most likely IDs first; that is usually enough


class Sampler:
    """Sampling parameters, noise and penalty window of each slot.

    :param codes: number of codes that the codec has; larger code IDs are never drawn. None: any, as in v0.2.0, whose
        decoder fails on 6 of 168 IDs (a trained model hardly ever draws them).
    """

    def __init__(self, config: LMConfig, slots: int, device: torch.device, codes: int | None = None):
        self._vocab_size, self._codebooks, self._codebook_size = (
            config.vocab_size,
            config.num_codebooks,
            config.codebook_size,
        )
        self._end = config.codebook_size if codes is None else CODE_OFFSET + codes
        self._device = device
        self._generators = [torch.Generator() for _ in range(slots)]
        self._frames = [0] * slots  # frames drawn after the first one
        self._parameters = torch.ones(4, slots, device=device)  # temperature, top-p, top-k, penalty
        self._truncates = [False] * slots  # by top-p or top-k
        # v0.2.0 penalizes a window of zeros until there are 16 frames; ID 0 is never drawn.
        self._window = torch.zeros(slots, self._codebooks, WINDOW, dtype=torch.int64, device=device)

    def start(self, slot: int, sampling: Sampling, seed: int) -> None:
        """Reset a slot for a new sequence."""
        self._generators[slot].manual_seed(seed)
        self._frames[slot] = 0
        self._window[slot] = 0
        top_k = sampling.top_k or NO_TOP_K
        self._truncates[slot] = sampling.top_p < 1 or top_k < NO_TOP_K
        temperature = max(sampling.temperature, MIN_TEMPERATURE)
        parameters = [temperature, sampling.top_p, top_k, sampling.repetition_penalty]
        self._parameters[:, slot] = torch.tensor(parameters, device=self._device)

    def first(self, slot: int, logits: Tensor) -> Tensor:
        """Draw the first frame after a prompt, which never ends speech; see :meth:`next`.

        :param logits: (1, V + K * codebook_size) float32.
        """
        return self._draw([slot], self._noise([slot]), logits, self._code_logits(logits, CODE_OFFSET))

    def next(self, slots: Sequence[int], logits: Tensor) -> Tensor:
        """Draw a frame for each of some slots.

        :param logits: (B, V + K * codebook_size) float32, in the order of ``slots``.
        :returns: (B, 1 + K + 1) int64 on the device: token ID, code IDs, and whether the logits were finite. If not,
            the IDs are meaningless.
        """
        noise = self._noise(slots)  # first, while a GPU still computes the logits
        rows = torch.tensor(slots, device=self._device)
        codes = self._code_logits(logits, 1)
        window, penalty = self._window[rows], self._parameters[3, rows, None, None]
        score = codes.gather(-1, window)
        codes.scatter_(-1, window, torch.where(score < 0, score * penalty, score / penalty))
        drawn = self._draw(slots, noise, logits, codes)
        column = torch.tensor([self._frames[slot] % WINDOW for slot in slots], device=self._device)
        self._window[rows, :, column] = drawn[:, 1:-1]
        for slot in slots:
            self._frames[slot] += 1
        return drawn

    def _code_logits(self, logits: Tensor, masked: int) -> Tensor:
        """Logits of the codebooks, (B, K, codebook_size); the first ``masked`` IDs and unknown codes are masked."""
        codes = logits[:, self._vocab_size :].reshape(len(logits), self._codebooks, self._codebook_size).clone()
        codes[..., :masked] = -torch.inf
        codes[..., self._end :] = -torch.inf
        return codes

    def _noise(self, slots: Sequence[int]) -> Tensor:
        """Exponential noise for each slot's next frame, (B, 1 + K * codebook_size), on the CPU."""
        noise = torch.empty(len(slots), 1 + self._codebooks * self._codebook_size)
        for row, slot in zip(noise, slots, strict=True):
            row.exponential_(generator=self._generators[slot])
        return noise

    def _draw(self, slots: Sequence[int], noise: Tensor, logits: Tensor, codes: Tensor) -> Tensor:
        noise = noise.to(self._device)
        temperature, top_p, top_k, _ = self._parameters[:, list(slots)]
        truncates = any(self._truncates[slot] for slot in slots)
        token_logits = logits[:, : self._vocab_size]
        cumulative = probabilities(token_logits, temperature, top_p, top_k, truncates=truncates).cumsum(
            -1, dtype=torch.float64
        )
        threshold = noise[:, :1].neg().exp() * cumulative[:, -1:]  # uniform in (0, total]
        token = torch.searchsorted(cumulative, threshold).clamp(max=self._vocab_size - 1)
        temperature, top_p, top_k = (part.repeat_interleave(self._codebooks) for part in (temperature, top_p, top_k))
        probs = probabilities(codes.flatten(0, 1), temperature, top_p, top_k, truncates=truncates).view_as(codes)
        race_scores = probs / noise[:, 1:].view_as(codes)
        is_finite = logits.amax(-1, keepdim=True).isfinite()
        return torch.cat((token, race_scores.argmax(-1), is_finite), dim=1)


def probabilities(
    logits: Tensor, temperature: Tensor, top_p: Tensor, top_k: Tensor, *, truncates: bool = True
) -> Tensor:
    """Turn one head's logits into probabilities, (B, IDs).

    top-p drops an ID if it and all more likely ones together have more than ``top_p``, including the ID that crosses
    the limit; the most likely ID stays. It is applied before the temperature. top-k keeps ties with the k-th ID.

    :param temperature: (B,).
    :param top_p: (B,); at least 1: off.
    :param top_k: (B,); at least the number of IDs: off.
    :param truncates: False if top-p and top-k are off in every row; the result is the same.
    """
    temperature, top_p, top_k = temperature[:, None], top_p[:, None], top_k[:, None]
    if not truncates:
        return (logits / temperature).softmax(-1)
    order, kept = _ranked(logits, top_p, top_k)
    ranks = torch.arange(order.shape[1], device=logits.device)
    keep = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, order, ranks < kept) | (top_p >= 1)
    scaled = logits.masked_fill(~keep, -torch.inf) / temperature
    last = scaled.gather(1, order.gather(1, (top_k.long() - 1).clamp(max=order.shape[1] - 1)))
    last = last.masked_fill(top_k >= logits.shape[1], -torch.inf)
    return scaled.masked_fill(scaled < last, -torch.inf).softmax(-1)


def _ranked(logits: Tensor, top_p: Tensor, top_k: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the most likely IDs, (B, some), ties by number, and count how many top-p keeps, (B, 1).

    Sorting the whole vocabulary takes a CPU milliseconds. A prefix is sorted that settles, in each row, which IDs are
    kept, ties with the last one included. The result of a row does not depend on the prefix's length.
    """
    probs, width = logits.softmax(-1), logits.shape[1]
    for count in (*(PREFIXES if logits.device.type == "cpu" else ()), width):
        if count * 2 > width:
            order = logits.argsort(dim=-1, descending=True, stable=True)
        else:
            found = logits.topk(count).indices.sort(-1).values
            order = found.gather(1, logits.gather(1, found).argsort(dim=-1, descending=True, stable=True))
        cumulative = probs.gather(1, order).cumsum(-1, dtype=torch.float64)
        kept = (cumulative <= top_p).sum(-1, keepdim=True).clamp(min=1)
        if order.shape[1] == width:
            break
        needed = torch.where(top_p < 1, kept, width).minimum(top_k.long().clamp(max=width))
        lowest = logits.gather(1, order[:, -1:])
        last_kept = logits.gather(1, order.gather(1, (needed - 1).clamp(max=count - 1)))
        off = (top_p >= 1) & (top_k >= width)
        if bool((off | ((needed < count) & (last_kept > lowest))).all()):
            break
    return order, kept
