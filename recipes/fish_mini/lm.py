"""The engine's language model, ``backends/fish/v0_2/lm``, in training: initial weights, attention and losses.

T is in columns of the prompt.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.fish.v0_2.config import CODE_OFFSET, LMConfig
from backends.fish.v0_2.lm.model import LanguageModel
from recipes.common.attention import attention, causal_mask
from recipes.fish_mini.vocabulary import SIZE

# A head's width is 64. Sequences of training have up to 900 columns.
CONFIG = LMConfig(
    vocab_size=SIZE,
    n_layer=8,
    n_head=5,
    dim=320,
    intermediate_size=896,
    max_seq_len=1024,
    codebook_size=160 + CODE_OFFSET + 6,
)
GUIDED_LAYERS = (3, 5)  # layers whose first head is trained to attend to the next phone
IGNORED = -100


class CausalAttention:
    """Causal attention within each of a batch's sequences, whose tokens are in one tensor.

    :ivar scores: of the guided heads, each (B, T, T).
    """

    def __init__(self, sequences: int):
        self.scores: list[Tensor] = []
        self._sequences = sequences

    def __call__(self, layer: int, q: Tensor, kv: Tensor) -> Tensor:
        """See :mod:`backends.fish.v0_2.lm.kv_cache`; here, the first dimension has B * T tokens."""
        kind = q.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else q.dtype
        parts = torch.stack((q, *kv.unbind(1)), 1).to(dtype)
        q, k, v = torch.unflatten(parts, 0, (self._sequences, -1)).transpose(1, 3).unbind(2)  # each (B, H, T, Dh)
        if layer in GUIDED_LAYERS:
            self.scores.append((q[:, 0] * q.shape[-1] ** -0.5) @ k[:, 0].mT + causal_mask(q.shape[-2], q))
        return attention(q, k, v, causal=True).transpose(1, 2).flatten(2).flatten(0, 1)


def build_lm() -> LanguageModel:
    """Build a language model with initial weights."""
    model = LanguageModel(CONFIG)
    for name, value in model.named_parameters():
        if value.ndim == 2:
            last = name.endswith(("wo.weight", "w2.weight"))
            nn.init.normal_(value, std=0.02 / (2 * CONFIG.n_layer) ** 0.5 if last else 0.02)
    return model


def matrices(model: LanguageModel) -> set[str]:
    """Names of the matrices in the layers."""
    return {name for name, value in model.named_parameters() if name.startswith("layers.") and value.ndim == 2}


def losses(
    model: LanguageModel, ids: Tensor, text: Tensor, codes: Tensor, phone_columns: Tensor, guided: bool
) -> dict[str, Tensor]:
    """Compute the losses of a batch.

    :param text: the next text id of each column, (B, T); ``IGNORED`` without a loss.
    :param codes: the next codes + 2, (B, T, K).
    :param phone_columns: the column of the next phone, (B, T), for the guided heads.
    :param guided: compute the guide loss.
    """
    wanted, config, heads = text != IGNORED, model.config, CausalAttention(len(ids))
    positions = torch.arange(ids.shape[1], device=ids.device).repeat(len(ids))
    hidden = torch.unflatten(model.hidden(ids.flatten(0, 1), positions, heads), 0, wanted.shape)
    logits = model.logits(hidden[wanted])
    codebooks = torch.unflatten(logits[:, config.vocab_size :], 1, (config.num_codebooks, -1))
    found = {
        "text": F.cross_entropy(logits[:, : config.vocab_size], text[wanted]),
        "codes": F.cross_entropy(codebooks.flatten(0, 1), codes[wanted].flatten()),
    }
    if guided:
        has_phone = phone_columns != IGNORED
        costs = [F.cross_entropy(scores[has_phone].float(), phone_columns[has_phone]) for scores in heads.scores]
        found["guide"] = torch.stack(costs).mean()
    return found
