"""KV cache with prefill, per-slot decode (CPU) and batched decode (GPU) attention.

An attention object is called once per layer with the tokens' float32 queries (T, H, Dh) and keys and values
(T, 2, Hkv, Dh), where Hkv is the number of key and value heads. It stores the latter and returns (T, H * Dh) in the
model's precision. T counts the tokens of one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel


class Attention(Protocol):
    """Attention over the cache; see the module."""

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor: ...  # noqa: D102


class KVCache:
    """Keys and values of ``slots`` sequences of up to ``max_tokens`` tokens. On a CPU, memory is used as it is written.

    A CPU stores float32 whatever the model's precision: attention over bfloat16 takes its kernels three times as
    long, and so does converting stored values for every token. A GPU stores the model's precision.
    """

    def __init__(
        self,
        *,
        layers: int,
        slots: int,
        max_tokens: int,
        heads: int,
        head_width: int,
        device: torch.device,
        dtype: torch.dtype,
    ):
        # A GPU reads values that were never written, under a mask; they must not be NaN.
        allocate = torch.empty if device.type == "cpu" else torch.zeros
        self.stored_dtype = torch.float32 if device.type == "cpu" else dtype
        memory = allocate(layers, slots, 2, heads, max_tokens, head_width, device=device, dtype=self.stored_dtype)
        self.layers = list(memory)  # each (slots, 2, Hkv, T, Dh), T in tokens
        self.slots = [list(layer) for layer in self.layers]
        self.max_tokens = max_tokens
        self.device, self.dtype = device, dtype

    def put(self, layer: int, slot: int, start: int, kv: Tensor) -> Tensor:
        """Store keys and values (T, 2, Hkv, Dh) of a slot's tokens from ``start`` on.

        :returns: all that the slot holds, (2, 1, Hkv, start + T, Dh).
        """
        stored, count = self.slots[layer][slot], kv.shape[0]
        stored.narrow(2, start, count).copy_(kv.permute(1, 2, 0, 3))
        held: Tensor = stored.narrow(2, 0, start + count).unsqueeze(1)
        return held

    def clear(self, slot: int, length: int) -> None:
        """Overwrite a slot's first tokens, which may be NaN: a mask would not keep those from the next sequence."""
        for layer in self.layers:
            layer[slot, :, :, :length] = 0


class PrefillAttention:
    """Causal attention of consecutive prompt tokens of one slot.

    :param count: number of tokens; further rows pad the batch and are not stored.
    """

    def __init__(self, cache: KVCache, slot: int, start: int, count: int, rows: int):
        self._cache, self._slot, self._start, self._count = cache, slot, start, count
        length = start + count
        visible = torch.ones(rows, length, dtype=torch.bool, device=cache.device).tril(start)
        self._mask = torch.zeros(rows, length, device=cache.device, dtype=cache.stored_dtype)
        self._mask.masked_fill_(~visible, -torch.inf)

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor:
        """See the module."""
        k, v = self._cache.put(layer, self._slot, self._start, kv[: self._count])
        q = q.transpose(0, 1)[None].to(k.dtype)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self._mask, enable_gqa=q.shape[1] != k.shape[1])
        return y[0].transpose(0, 1).flatten(1).to(self._cache.dtype)


class PerSlotDecodeAttention:
    """Attention of one new token per slot, for CPUs: each slot alone over its own length.

    :param held: slot and its number of tokens, for each row.
    :param rows: rows in the batch; those beyond ``held`` are padding.
    """

    def __init__(self, cache: KVCache, held: Sequence[tuple[int, int]], rows: int):
        self._cache, self._held, self._rows = cache, held, rows

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor:
        """See the module."""
        out = torch.zeros(self._rows, q.shape[1] * q.shape[2], dtype=self._cache.dtype)
        for row, (slot, length) in enumerate(self._held):
            k, v = self._cache.put(layer, slot, length, kv[row : row + 1])
            query = q[row, None, :, None]  # (1, H, 1, Dh)
            y = F.scaled_dot_product_attention(query, k, v, enable_gqa=query.shape[1] != k.shape[1])
            out[row] = y.flatten()
        return out


class BatchedDecodeAttention:
    """Attention of one new token for every slot at once, for GPUs: shapes do not depend on the active slots.

    :param lengths: tokens held by each slot, int64 (slots,), on the device. An idle slot writes past its tokens, where
        its next token goes anyway.
    :param reach: number of tokens that attention reads of each slot; all lengths are below it.
    """

    def __init__(self, cache: KVCache, lengths: Tensor, reach: int):
        self._cache, self._lengths, self._reach = cache, lengths, reach
        self._slots = torch.arange(len(lengths), device=cache.device)
        visible = torch.arange(reach, device=cache.device) <= lengths[:, None]
        self._mask = torch.zeros(visible.shape, device=cache.device, dtype=cache.dtype)
        self._mask.masked_fill_(~visible, -torch.inf)

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor:
        """See the module."""
        stored = self._cache.layers[layer]
        stored[self._slots, :, :, self._lengths] = kv.to(stored.dtype)
        k, v = stored[:, 0, :, : self._reach], stored[:, 1, :, : self._reach]
        if (copies := q.shape[1] // k.shape[1]) > 1:
            k, v = k.repeat_interleave(copies, dim=1), v.repeat_interleave(copies, dim=1)
        mask = self._mask[:, None, None].expand(-1, q.shape[1], -1, -1)
        # This kernel visits keys in order, so that masked ones at the end do not change how sums are rounded.
        with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION):
            y = F.scaled_dot_product_attention(q[:, :, None].to(k.dtype), k, v, attn_mask=mask)
        return y.flatten(1)
