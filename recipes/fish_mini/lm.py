"""text2semantic for training: the network of ``backends/fish/v0_2/lm`` for batches of sequences, with gradients.

T is in columns of the prompt.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.fish.v0_2.config import CODE_OFFSET, LMConfig
from backends.fish.v0_2.lm.model import Sizes, rope_frequencies
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


class Layer(nn.Module):
    """One block; names are those of the checkpoint."""

    def __init__(self, config: LMConfig):
        super().__init__()
        sizes, width = Sizes.of(config), config.dim
        self.heads = sizes.heads
        self.attention = nn.ModuleDict(
            {
                "wqkv": nn.Linear(width, 3 * sizes.heads * sizes.head_dim, bias=False),
                "wo": nn.Linear(sizes.heads * sizes.head_dim, width, bias=False),
            }
        )
        self.feed_forward = nn.ModuleDict(
            {
                "w1": nn.Linear(width, sizes.hidden, bias=False),
                "w3": nn.Linear(width, sizes.hidden, bias=False),
                "w2": nn.Linear(sizes.hidden, width, bias=False),
            }
        )
        self.attention_norm = nn.RMSNorm(width, config.norm_eps)
        self.ffn_norm = nn.RMSNorm(width, config.norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, with_scores: bool) -> tuple[Tensor, Tensor | None]:
        """Map (B, T, D) to the same shape; with ``with_scores`` also return the first head's scores (B, T, T)."""
        qkv = self.attention["wqkv"](self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.transpose(1, 3).unbind(2)  # each (B, H, T, Dh)
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        scores = None
        if with_scores:
            scores = (q[:, 0] * q.shape[-1] ** -0.5) @ k[:, 0].mT + causal_mask(q.shape[-2], q)
        y = attention(q, k, v, causal=True)
        x = x + self.attention["wo"](y.transpose(1, 2).flatten(2))
        parts, hidden = self.feed_forward, self.ffn_norm(x)
        x = x + parts["w2"](F.silu(parts["w1"](hidden)) * parts["w3"](hidden))
        return x, scores


class LanguageModel(nn.Module):
    """Language model: logits of selected columns from text and codes."""

    def __init__(self, config: LMConfig = CONFIG):
        super().__init__()
        self.config = config
        sizes = Sizes.of(config)
        self.embeddings = nn.Embedding(sizes.ids, config.dim)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.norm = nn.RMSNorm(config.dim, config.norm_eps)
        self.output = nn.Linear(config.dim, sizes.ids, bias=False)
        rotary = rope_frequencies(config.max_seq_len, sizes.head_dim, config.rope_base)
        self.register_buffer("cos", rotary.real.contiguous(), persistent=False)
        self.register_buffer("sin", rotary.imag.contiguous(), persistent=False)
        first = [config.vocab_size + i * config.codebook_size for i in range(config.num_codebooks)]
        self.register_buffer("offsets", torch.tensor([0, *first]), persistent=False)
        self.cos: Tensor
        self.sin: Tensor
        self.offsets: Tensor
        for name, value in self.named_parameters():
            if value.ndim == 2:
                last = name.endswith(("wo.weight", "w2.weight"))
                nn.init.normal_(value, std=0.02 / (2 * config.n_layer) ** 0.5 if last else 0.02)

    def matrices(self) -> set[str]:
        """Names of the matrices in the layers."""
        return {name for name, value in self.named_parameters() if name.startswith("layers.") and value.ndim == 2}

    def forward(self, ids: Tensor, wanted: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute logits and guided scores.

        :param ids: text ids and codes + 2, (B, T, 1 + K); a column without codes has 0.
        :param wanted: columns with a prediction, bool (B, T).
        :returns: logits (selected columns, V + K * codebook size), and the scores (B, T, T) of the guided heads.
        """
        first = torch.arange(ids.shape[-1], device=ids.device) == 0
        known = (ids != self.config.codebook_padding_idx) | first
        x = (self.embeddings(ids + self.offsets) * known[..., None]).sum(2)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        guided_scores = []
        for index, layer in enumerate(self.layers):
            x, scores = layer(x, cos, sin, index in GUIDED_LAYERS)
            if scores is not None:
                guided_scores.append(scores)
        return self.output(self.norm(x[wanted])), guided_scores


def losses(
    model: LanguageModel, ids: Tensor, text: Tensor, codes: Tensor, phone_columns: Tensor, guided: bool
) -> dict[str, Tensor]:
    """Compute the losses of a batch.

    :param text: the next text id of each column, (B, T); ``IGNORED`` without a loss.
    :param codes: the next codes + 2, (B, T, K).
    :param phone_columns: the column of the next phone, (B, T), for the guided heads.
    :param guided: compute the guide loss.
    """
    wanted = text != IGNORED
    logits, guided_scores = model(ids, wanted)
    config, logits = model.config, logits.float()
    heads = torch.unflatten(logits[:, config.vocab_size :], 1, (config.num_codebooks, -1))
    found = {
        "text": F.cross_entropy(logits[:, : config.vocab_size], text[wanted]),
        "codes": F.cross_entropy(heads.flatten(0, 1), codes[wanted].flatten()),
    }
    if guided:
        has_phone = phone_columns != IGNORED
        costs = [F.cross_entropy(scores[has_phone].float(), phone_columns[has_phone]) for scores in guided_scores]
        found["guide"] = torch.stack(costs).mean()
    return found


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate interleaved pairs of (B, H, T, Dh) by (T, Dh / 2)."""
    a, b = torch.unflatten(x.float(), -1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).to(x.dtype)
