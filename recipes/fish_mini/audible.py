"""Word error rate of stage 3a, before there is a generator: held-out sound, coded, and inverted by Griffin-Lim.

    python -m recipes.fish_mini.audible --work WORK

A gate: where this is misunderstood, a generator will not help.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backends.fish.v0_2.codec.mel import WINDOW_SAMPLES
from backends.fish.v0_2.config import FRAME_HOPS, HOP_SAMPLES, RATE_HZ
from recipes.common.places import HELD_OUT_SHARD, say
from recipes.common.sound import open_shard
from recipes.common.transcriber import Transcriber, word_error_rate
from recipes.fish_mini.codec_mel import load_codec
from recipes.fish_mini.vqgan import LogMel

ROUNDS, MOMENTUM = 32, 0.9


def sound_of(mel: Tensor, transform: LogMel) -> np.ndarray:
    """(M, F) to samples (N,), by the fast Griffin-Lim algorithm."""
    magnitude = (torch.linalg.pinv(transform.bank) @ mel.exp()).clamp(min=0)
    window = transform.window

    def back(spectrum: Tensor) -> Tensor:
        return torch.istft(spectrum, WINDOW_SAMPLES, HOP_SAMPLES, window=window)

    angles = torch.rand_like(magnitude).mul(2j * torch.pi).exp()
    before = torch.zeros_like(angles)
    for _ in range(ROUNDS):
        spectrum = torch.stft(back(magnitude * angles), WINDOW_SAMPLES, HOP_SAMPLES, window=window, return_complex=True)
        angles = spectrum - before * (MOMENTUM / (1 + MOMENTUM))
        angles, before = angles / angles.abs().clamp(min=1e-8), spectrum
    return back(magnitude * angles).numpy()


@torch.inference_mode()
def main() -> None:
    """Print the word error rate of true and of coded spectrograms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=None)
    asked = parser.parse_args()
    torch.manual_seed(0)
    codec, transform, transcriber = load_codec(asked.work), LogMel(), Transcriber(torch.get_num_threads())
    held_out = list(open_shard(asked.work, HELD_OUT_SHARD).each())[: asked.sentences]
    texts, distances = [about["text"] for about, _ in held_out], []
    heard: dict[str, list[str]] = {"true": [], "coded": []}
    for _, samples in held_out:
        mel = transform(torch.from_numpy(samples)[None])
        mel = mel[..., : mel.shape[-1] // FRAME_HOPS * FRAME_HOPS]
        coded = codec.decode(codec.encode(mel))
        distances.append(float(F.l1_loss(coded, mel)))
        for name, one in (("true", mel), ("coded", coded)):
            heard[name].append(transcriber.transcribe(sound_of(one[0], transform), RATE_HZ))
    say(
        f"distance {np.mean(distances):.3f}; "
        + ", ".join(f"{k}: {word_error_rate(texts, v):.3f}" for k, v in heard.items())
    )


if __name__ == "__main__":
    main()
