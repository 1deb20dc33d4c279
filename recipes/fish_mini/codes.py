"""Stage 4: codes of the corpus, and of a part of it in altered voices.

One file per shard: concatenated codes, uint8 (K, T), T in code frames, and the number of frames of each utterance. The
encoder sees only a few frames to each side (``NEAR_LAYERS``), so codes of utterances can be concatenated like sound.

    python -m recipes.fish_mini.codes --work WORK
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soxr
import torch

from backends.fish.v0_2.codec.mel import LogMel
from backends.fish.v0_2.config import FRAME_SAMPLES, RATE_HZ
from recipes.common.arrivals import finished
from recipes.common.sound import Shard, open_shard, shard_names
from recipes.common.workspace import CODES, HELD_OUT_SHARD, Clock, say
from recipes.fish_mini.codec_mel import load_codec
from recipes.fish_mini.columns import ALTERED
from recipes.fish_mini.vqgan import MelCodec

PACES = (0.7, 1.3)
NOISE = 0.01
REACH = 2  # code frames of silence around an utterance, for the spectrogram's edges


@torch.inference_mode()
def encode(codec: MelCodec, mel: LogMel, shard: Shard, altered: bool) -> dict[str, np.ndarray]:
    """Compute the concatenated codes (K, T) of all utterances, and the frames and speed of each.

    :param altered: change the speed, which also changes the voice, and add some noise.
    """
    found, sizes, rates = [], [], []
    rng = np.random.default_rng(0)
    for _, samples in shard.each():
        pace = 1.0
        if altered:
            pace = float(rng.uniform(*PACES))
            samples = soxr.resample(samples, RATE_HZ * pace, RATE_HZ, quality="LQ")
            samples = samples + rng.uniform(0, NOISE) * rng.standard_normal(len(samples)).astype(np.float32)
        frames = len(samples) // FRAME_SAMPLES
        padded = np.pad(samples, (REACH * FRAME_SAMPLES, (REACH + 1) * FRAME_SAMPLES))
        encoded = codec.encode(mel(torch.from_numpy(padded)[None]))[0, :, REACH : REACH + frames]
        found.append(encoded.to(torch.uint8).numpy())
        sizes.append(frames)
        rates.append(pace)
    codes = np.concatenate(found, axis=1)
    return {"codes": codes, "sizes": np.asarray(sizes, np.int32), "rates": np.asarray(rates)}


def add(work: Path, codec: MelCodec, name: str) -> None:
    """Encode a spoken shard; a name with the prefix ``ALTERED`` encodes an altered copy."""
    folder, altered = work / CODES, name.startswith(ALTERED)
    folder.mkdir(parents=True, exist_ok=True)
    made = encode(codec, LogMel(), open_shard(work, name.removeprefix(f"{ALTERED}_")), altered)
    part = folder / f"{name}.part.npz"
    np.savez(part, codes=made["codes"], sizes=made["sizes"], rates=made["rates"])
    part.rename(folder / f"{name}.npz")
    say(f"{name}: {made['codes'].shape[1]} frames")


def main() -> None:
    """Encode missing shards until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--limit", type=int, default=None, help="number of shards at most")
    args = parser.parse_args()
    clock, codec, known = Clock(args.minutes), load_codec(args.work), finished(args.work / CODES)
    plain = [HELD_OUT_SHARD, *shard_names(args.work)][: args.limit]
    for name in [*plain, f"{ALTERED}_{plain[-1]}"]:
        if not clock.over and name not in known:
            add(args.work, codec, name)


if __name__ == "__main__":
    main()
