"""The decoding step on a GPU: one shape for each reach of attention, so that it can be captured as a CUDA graph.

A step launches some 30 kernels for each layer, and at one frame a step the host is slower at that than the device at
computing them; a graph is launched at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backends.fish.v0_2.lm.kv_cache import AllTogether, Cache
from backends.fish.v0_2.lm.model import LanguageModel

LEAST_REACH = 256
WARM_UP_RUNS = 2


class DeviceDecoder:
    """Decodes all slots, idle ones too.

    :param graphs: capture a graph for each reach now, which takes seconds; else kernels are launched one by one.
    """

    def __init__(self, model: LanguageModel, cache: Cache, slots: int, *, graphs: bool):
        self._model, self._cache = model, cache
        self._ids = torch.zeros(slots, 1 + model.config.num_codebooks, dtype=torch.int64, device=cache.device)
        self._lengths = torch.zeros(slots, dtype=torch.int64, device=cache.device)
        self._reaches = reaches(cache.max_tokens)
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        if graphs:
            with torch.cuda.device(cache.device):
                for reach in reversed(self._reaches):  # the largest first: the others find room in its memory
                    self._graphs[reach] = self._capture(reach)

    def __call__(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Logits of what follows, (slots, V + n * C); they are overwritten by the next call.

        :param ids: the last frame of each slot, (slots, 1 + n).
        :param lengths: how many tokens each slot holds before it.
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
        return self._model(self._ids, self._lengths, AllTogether(self._cache, self._lengths, reach))

    def _capture(self, reach: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries set themselves up at their first call, which cannot be captured
            for _ in range(WARM_UP_RUNS):
                self._run(reach)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        pool = next(iter(self._graphs.values()))[0].pool() if self._graphs else None
        with torch.cuda.graph(graph, pool=pool):
            logits = self._run(reach)
        return graph, logits


def reaches(max_tokens: int) -> list[int]:
    """How far attention looks: powers of two up to all of the cache."""
    made = []
    reach = LEAST_REACH
    while reach < max_tokens:
        made.append(reach)
        reach *= 2
    return [*made, max_tokens]
