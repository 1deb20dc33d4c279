"""text2semantic for training: the network of ``backends/fish/v0_2/lm`` for batches of sequences, with gradients.

Letters: B rows, S columns, n codebooks, W width, H heads, D width of a head, V text vocabulary, P predicted columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.fish.v0_2.config import CODE_OFFSET, LMConfig
from backends.fish.v0_2.lm.model import Sizes, rope_frequencies
from recipes.common.attention import attend, later
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
GUIDED = (3, 5)  # layers whose first head is shown where in the text it is
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

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, asked: bool) -> tuple[Tensor, Tensor | None]:
        """(B, S, W) to the same, and if ``asked`` the first head's scores (B, S, S)."""
        qkv = self.attention["wqkv"](self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.transpose(1, 3).unbind(2)  # each (B, H, S, D)
        q, k = _turn(q, cos, sin), _turn(k, cos, sin)
        scores = None
        if asked:
            scores = (q[:, 0] * q.shape[-1] ** -0.5) @ k[:, 0].mT + later(q.shape[-2], q)
        y = attend(q, k, v, causal=True)
        x = x + self.attention["wo"](y.transpose(1, 2).flatten(2))
        parts, hidden = self.feed_forward, self.ffn_norm(x)
        x = x + parts["w2"](F.silu(parts["w1"](hidden)) * parts["w3"](hidden))
        return x, scores


class LanguageModel(nn.Module):
    """Text and codes to logits of the wanted columns."""

    def __init__(self, config: LMConfig = CONFIG):
        super().__init__()
        self.config = config
        sizes = Sizes.of(config)
        self.embeddings = nn.Embedding(sizes.ids, config.dim)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.norm = nn.RMSNorm(config.dim, config.norm_eps)
        self.output = nn.Linear(config.dim, sizes.ids, bias=False)
        turns = rope_frequencies(config.max_seq_len, sizes.head_dim, config.rope_base)
        self.register_buffer("cos", turns.real.contiguous(), persistent=False)
        self.register_buffer("sin", turns.imag.contiguous(), persistent=False)
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
        """Names of the weights inside of layers."""
        return {name for name, value in self.named_parameters() if name.startswith("layers.") and value.ndim == 2}

    def forward(self, ids: Tensor, wanted: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Read sequences.

        :param ids: (B, S, 1 + n): text ids and codes + 2, 0 where there are none.
        :param wanted: columns to predict from, bool (B, S).
        :returns: logits (P, V + n * C), and the scores (B, S, S) of the guided heads.
        """
        first = torch.arange(ids.shape[-1], device=ids.device) == 0
        known = (ids != self.config.codebook_padding_idx) | first
        x = (self.embeddings(ids + self.offsets) * known[..., None]).sum(2)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        pointers = []
        for index, layer in enumerate(self.layers):
            x, scores = layer(x, cos, sin, index in GUIDED)
            if scores is not None:
                pointers.append(scores)
        return self.output(self.norm(x[wanted])), pointers


def losses(
    model: LanguageModel, ids: Tensor, text: Tensor, codes: Tensor, places: Tensor, guided: bool
) -> dict[str, Tensor]:
    """Losses of the columns of a batch.

    :param text: the text id that follows each column, (B, S); ``IGNORED`` where nothing is learnt.
    :param codes: the codes + 2 that follow, (B, S, n).
    :param places: the column of the phone that is spoken next, (B, S), for the guided heads.
    :param guided: whether these are wanted.
    """
    wanted = text != IGNORED
    logits, pointers = model(ids, wanted)
    config, logits = model.config, logits.float()
    heads = torch.unflatten(logits[:, config.vocab_size :], 1, (config.num_codebooks, -1))
    found = {
        "text": F.cross_entropy(logits[:, : config.vocab_size], text[wanted]),
        "codes": F.cross_entropy(heads.flatten(0, 1), codes[wanted].flatten()),
    }
    if guided:
        aimed = places != IGNORED
        costs = [F.cross_entropy(scores[aimed].float(), places[aimed]) for scores in pointers]
        found["guide"] = torch.stack(costs).mean()
    return found


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate interleaved pairs of (B, H, S, D) by (S, D / 2)."""
    a, b = torch.unflatten(x.float(), -1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).to(x.dtype)
