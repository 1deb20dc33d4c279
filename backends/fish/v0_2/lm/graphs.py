"""The decoding step on a GPU, optionally captured as CUDA graphs: one static shape for each reach of attention.

A step launches some 30 kernels per layer. For one frame, the host takes longer to launch them than the device to run
them; a graph is launched at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backends.fish.v0_2.lm.kv_cache import BatchedDecodeAttention, KVCache
from backends.fish.v0_2.lm.model import LanguageModel

MIN_REACH = 256
WARM_UP_RUNS = 2


class BatchedDecoder:
    """Decodes all slots in one batch, idle ones included.

    :param graphs: capture a graph for each reach in the constructor, which takes seconds; otherwise kernels are
        launched one by one.
    """

    def __init__(self, model: LanguageModel, cache: KVCache, slots: int, *, graphs: bool):
        self._model, self._cache = model, cache
        self._ids = torch.zeros(slots, 1 + model.config.num_codebooks, dtype=torch.int64, device=cache.device)
        self._lengths = torch.zeros(slots, dtype=torch.int64, device=cache.device)
        self._reaches = reaches(cache.max_tokens)
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        if graphs:
            with torch.cuda.device(cache.device):
                for reach in reversed(self._reaches):  # the largest first: the others reuse its memory
                    self._graphs[reach] = self._capture(reach)

    def __call__(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return next-token logits, (slots, V + K * codebook_size). The next call overwrites them.

        :param ids: last frame of each slot, (slots, 1 + K).
        :param lengths: tokens that each slot holds before it.
        """
        self._ids.copy_(ids)
        self._lengths.copy_(torch.tensor(lengths))
        reach = next(reach for reach in self._reaches if reach > max(lengths))
        if reach not in self._graphs:
            return self._run(reach)
        graph, logits = self._graphs[reach]
        graph.replay()
        return logits

    def _run(self, reach: int) -> Tensor:
        attention = BatchedDecodeAttention(self._cache, self._lengths, reach)
        logits: Tensor = self._model(self._ids, self._lengths, attention)
        return logits

    def _capture(self, reach: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries initialize on their first call, which cannot be captured
            for _ in range(WARM_UP_RUNS):
                self._run(reach)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        pool = next(iter(self._graphs.values()))[0].pool() if self._graphs else None
        with torch.cuda.graph(graph, pool=pool):
            logits = self._run(reach)
        return graph, logits


def reaches(max_tokens: int) -> list[int]:
    """Return the lengths that attention is computed over: powers of two, and the whole cache."""
    lengths = []
    reach = MIN_REACH
    while reach < max_tokens:
        lengths.append(reach)
        reach *= 2
    return [*lengths, max_tokens]
