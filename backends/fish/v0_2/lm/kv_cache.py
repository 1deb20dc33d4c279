"""Keys and values of every slot, and attention over them in the three situations there are.

Letters: T tokens of one call, H heads of queries, G heads of keys and values, D width of a head, L tokens of a slot.

Each situation is an object called once per layer with what the tokens ask (T, H, D) and what they add (T, 2, G, D),
both float32; it stores the latter and answers (T, H * D) in the cache's precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel


class Attend(Protocol):
    """One of the situations below."""

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor: ...  # noqa: D102


class Cache:
    """Memory for ``slots`` sequences of ``max_tokens``; on a CPU none is taken before it is written to.

    A CPU stores float32, whatever the network's precision: attention over bfloat16 takes its kernels three times as
    long, and so does converting what is stored for every token. A GPU stores the network's precision.
    """

    def __init__(
        self,
        *,
        layers: int,
        slots: int,
        max_tokens: int,
        heads: int,
        width: int,
        device: torch.device,
        dtype: torch.dtype,
    ):
        # On a GPU what was never written is read under a mask, where it must not be a NaN by chance.
        make = torch.empty if device.type == "cpu" else torch.zeros
        self.stored = torch.float32 if device.type == "cpu" else dtype
        everything = make(layers, slots, 2, heads, max_tokens, width, device=device, dtype=self.stored)
        self.layers = list(everything)  # each (slots, 2, G, L, D)
        self.slots = [list(layer) for layer in self.layers]
        self.max_tokens = max_tokens
        self.device, self.dtype = device, dtype

    def put(self, layer: int, slot: int, start: int, kv: Tensor) -> Tensor:
        """Store what a slot's tokens from ``start`` on add, (T, 2, G, D).

        :returns: all it holds by then, (2, 1, G, L, D).
        """
        stored, count = self.slots[layer][slot], kv.shape[0]
        stored.narrow(2, start, count).copy_(kv.permute(1, 2, 0, 3))
        known: Tensor = stored.narrow(2, 0, start + count).unsqueeze(1)
        return known

    def clear(self, slot: int, length: int) -> None:
        """Wipe out a slot's tokens that may be no numbers: a mask would let these through to whoever is next."""
        for layer in self.layers:
            layer[slot, :, :, :length] = 0


class Prompt:
    """Some tokens of one slot's prompt, each seeing those before it.

    :param count: how many there are; any more rows fill up a batch and are not stored.
    """

    def __init__(self, cache: Cache, slot: int, start: int, count: int, rows: int):
        self._cache, self._slot, self._start, self._count = cache, slot, start, count
        length = start + count
        seen = torch.ones(rows, length, dtype=torch.bool, device=cache.device).tril(start)
        self._mask = torch.zeros(rows, length, device=cache.device, dtype=cache.stored)
        self._mask.masked_fill_(~seen, -torch.inf)

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor:
        """See the module."""
        k, v = self._cache.put(layer, self._slot, self._start, kv[: self._count])
        q = q.transpose(0, 1)[None].to(k.dtype)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self._mask, enable_gqa=q.shape[1] != k.shape[1])
        return y[0].transpose(0, 1).flatten(1).to(self._cache.dtype)


class EachAlone:
    """One more token for some slots, on a CPU: each slot by itself over its own length, as if there were no others.

    :param held: slot and how many tokens it holds, for each row.
    :param rows: how many there are in the batch; those beyond fill it up.
    """

    def __init__(self, cache: Cache, held: Sequence[tuple[int, int]], rows: int):
        self._cache, self._held, self._rows = cache, held, rows

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor:
        """See the module."""
        made = torch.zeros(self._rows, q.shape[1] * q.shape[2], dtype=self._cache.dtype)
        for row, (slot, length) in enumerate(self._held):
            k, v = self._cache.put(layer, slot, length, kv[row : row + 1])
            asked = q[row, None, :, None]  # (1, H, 1, D)
            y = F.scaled_dot_product_attention(asked, k, v, enable_gqa=asked.shape[1] != k.shape[1])
            made[row] = y.flatten()
        return made


class AllTogether:
    """One more token for every slot, on a GPU: shapes do not depend on who is active or how long they are.

    :param lengths: how many tokens each slot holds, (T,), int64 on the device; idle slots write past theirs, where the
        next token goes anyway.
    :param reach: how many tokens attention reads of each slot: all lengths are below it.
    """

    def __init__(self, cache: Cache, lengths: Tensor, reach: int):
        self._cache, self._lengths, self._reach = cache, lengths, reach
        self._slots = torch.arange(len(lengths), device=cache.device)
        seen = torch.arange(reach, device=cache.device) <= lengths[:, None]
        self._mask = torch.zeros(seen.shape, device=cache.device, dtype=cache.dtype).masked_fill_(~seen, -torch.inf)

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor:
        """See the module."""
        stored = self._cache.layers[layer]
        stored[self._slots, :, :, self._lengths] = kv.to(stored.dtype)
        k, v = stored[:, 0, :, : self._reach], stored[:, 1, :, : self._reach]
        if (copies := q.shape[1] // k.shape[1]) > 1:
            k, v = k.repeat_interleave(copies, dim=1), v.repeat_interleave(copies, dim=1)
        mask = self._mask[:, None, None].expand(-1, q.shape[1], -1, -1)
        # This kernel goes through the keys in order, so that those behind the mask do not change a sum's rounding.
        with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION):
            y = F.scaled_dot_product_attention(q[:, :, None].to(k.dtype), k, v, attn_mask=mask)
        return y.flatten(1)
