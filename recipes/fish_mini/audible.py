"""Word error rate of stage 3a: held-out sound, encoded, decoded and inverted by Griffin-Lim.

    python -m recipes.fish_mini.audible --work WORK

A check before stage 3b: a generator cannot repair unintelligible codes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backends.fish.v0_2.codec.mel import WINDOW_SAMPLES, LogMel
from backends.fish.v0_2.config import FRAME_HOPS, HOP_SAMPLES, RATE_HZ
from recipes.common.sound import open_shard
from recipes.common.transcriber import Transcriber, word_error_rate
from recipes.common.workspace import HELD_OUT_SHARD, say
from recipes.fish_mini.codec_mel import load_codec

ROUNDS, MOMENTUM = 32, 0.9


def griffin_lim(mel: Tensor, transform: LogMel) -> np.ndarray:
    """Invert a mel spectrogram (M, T) to samples (N,) by the fast Griffin-Lim algorithm."""
    magnitude = (torch.linalg.pinv(transform.bank) @ mel.exp()).clamp(min=0)
    window = transform.window

    def inverse(spectrum: Tensor) -> Tensor:
        return torch.istft(spectrum, WINDOW_SAMPLES, HOP_SAMPLES, window=window)

    angles = torch.rand_like(magnitude).mul(2j * torch.pi).exp()
    before = torch.zeros_like(angles)
    for _ in range(ROUNDS):
        spectrum = torch.stft(
            inverse(magnitude * angles), WINDOW_SAMPLES, HOP_SAMPLES, window=window, return_complex=True
        )
        angles = spectrum - before * (MOMENTUM / (1 + MOMENTUM))
        angles, before = angles / angles.abs().clamp(min=1e-8), spectrum
    return inverse(magnitude * angles).numpy()


@torch.inference_mode()
def main() -> None:
    """Print the word error rates of true and of coded spectrograms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=None)
    args = parser.parse_args()
    torch.manual_seed(0)
    codec, transform, transcriber = load_codec(args.work), LogMel(), Transcriber(torch.get_num_threads())
    held_out = list(open_shard(args.work, HELD_OUT_SHARD).each())[: args.sentences]
    texts, distances = [about["text"] for about, _ in held_out], []
    transcripts: dict[str, list[str]] = {"true": [], "coded": []}
    for _, samples in held_out:
        mel = transform(torch.from_numpy(samples)[None])
        mel = mel[..., : mel.shape[-1] // FRAME_HOPS * FRAME_HOPS]
        coded = codec.decode(codec.encode(mel))
        distances.append(float(F.l1_loss(coded, mel)))
        for name, one in (("true", mel), ("coded", coded)):
            transcripts[name].append(transcriber.transcribe(griffin_lim(one[0], transform), RATE_HZ))
    say(
        f"distance {np.mean(distances):.3f}; "
        + ", ".join(f"{k}: {word_error_rate(texts, v):.3f}" for k, v in transcripts.items())
    )


if __name__ == "__main__":
    main()
