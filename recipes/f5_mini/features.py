"""Stage 3: spectrograms, symbols, and the phone of each frame.

Two files per shard: concatenated spectrograms, float16 (T, M), and all other features. Sound is normalized to the
loudness that the engine gives a reference.

T is in mel frames; L is the number of symbols.

    python -m recipes.f5_mini.features --work WORK
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backends.f5.config import HOP_SAMPLES, MELS, RATE_HZ
from backends.f5.mel import LogMel
from backends.f5.reference_audio import EDGE_DBFS, TARGET_RMS
from recipes.common.arrivals import finished
from recipes.common.sound import Shard, open_shard, shard_names
from recipes.common.workspace import HELD_OUT_SHARD, Clock, say
from recipes.f5_mini.spelling import FOLD, NO_PHONE, PHONE_IDS, SYMBOLS, align_letters, ids

FOLDER = "features"
WORST_FIT = 0.25  # of letters and phones; in 2,000 sentences none was worse than 0.23
LEAST_FRAMES = 2  # least frames of speech per symbol
FRAME_S = HOP_SAMPLES / RATE_HZ


@dataclass(frozen=True, slots=True)
class Utterance:
    """An utterance of the corpus.

    :param mel: float16 (T, M), memory-mapped.
    :param symbols: ids, uint8 (L,), lower case.
    :param sounds: the one or two phones of each symbol, uint8 (L, 2), padded with ``NO_PHONE``.
    :param phones: the phone spoken in each frame, uint8 (T,).
    :param symbol_indices: the symbol spoken in each frame, int16 (T,).
    :param quiet: frames before and after all speech.
    :param speed: 1 is the teacher's pace.
    :param deeper: whether the voice is the deeper one.
    """

    mel: np.ndarray
    symbols: np.ndarray
    sounds: np.ndarray
    phones: np.ndarray
    symbol_indices: np.ndarray
    quiet: tuple[int, int]
    speed: float
    deeper: bool


def describe(about: dict[str, Any], samples: np.ndarray) -> dict[str, Any] | None:
    """Compute all features except the spectrogram; None if letters and phones do not align, or frames are too few.

    :param about: a line that the teacher wrote.
    :param samples: float32 (N,).
    """
    symbols = FOLD[ids(about["text"])]
    phones = about["phones"].split()
    letters, misfit = align_letters("".join(SYMBOLS[place] for place in symbols), phones)
    frames = len(samples) // HOP_SAMPLES
    loudness = np.sqrt(np.square(samples[: frames * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)).mean(1))
    loud = np.flatnonzero(loudness > 10 ** (EDGE_DBFS / 20))
    if misfit > WORST_FIT or not len(loud) or loud[-1] - loud[0] < LEAST_FRAMES * len(symbols):
        return None
    numbers = np.array([PHONE_IDS[phone] for phone in phones], np.uint8)
    sounds = np.full((len(symbols), 2), PHONE_IDS[NO_PHONE], np.uint8)
    for number, place in zip(numbers, letters, strict=True):
        free = np.flatnonzero(sounds[place] == PHONE_IDS[NO_PHONE])
        sounds[place, free[:1]] = number
    middles = np.arange(frames) * FRAME_S  # the window of a frame is centered on its first sample
    spoken = np.searchsorted(about["ends"], middles, side="right").clip(max=len(phones) - 1)
    return {
        "symbols": symbols,
        "sounds": sounds,
        "phones": numbers[spoken],
        "places": np.asarray(letters, np.int16)[spoken],
        "quiet": (int(loud[0]), frames - 1 - int(loud[-1])),
        "speed": about.get("speed", 1.0),
        "deeper": about.get("deeper", False),
    }


def normalize_loudness(samples: np.ndarray) -> np.ndarray:
    """Scale samples (N,) to the loudness that the engine gives a quiet reference."""
    return samples * np.float32(TARGET_RMS / max(1e-6, float(np.sqrt(np.square(samples).mean()))))


def write(folder: Path, shard: Shard, mel: LogMel) -> int:
    """Compute a shard's features and return the number of skipped utterances."""
    mels: list[np.ndarray] = []
    found: list[dict[str, Any]] = []
    for about, sound in shard.each():
        samples = normalize_loudness(sound)
        one = describe(about, samples)
        if one is not None:
            found.append(one)
            frames = mel(torch.from_numpy(samples)).numpy()
            mels.append(frames[: len(one["phones"])].astype(np.float16))
    if not found:
        raise SystemExit(f"{shard.name}: the shard has no usable utterance")
    arrays = {name: np.concatenate([one[name] for one in found]) for name in ("symbols", "sounds", "phones", "places")}
    arrays |= {name: np.array([one[name] for one in found]) for name in ("quiet", "speed", "deeper")}
    arrays["sizes"] = np.array([(len(one["symbols"]), len(one["phones"])) for one in found])
    np.save(folder / f"{shard.name}.mel.npy", np.concatenate(mels))
    np.savez(folder / f"{shard.name}.part.npz", **arrays)  # type: ignore[arg-type]
    (folder / f"{shard.name}.part.npz").rename(folder / f"{shard.name}.npz")  # it appears once both files are complete
    return len(shard.utterances) - len(found)


def read(work: Path, name: str) -> list[Utterance]:
    """Read the utterances of a shard."""
    folder = work / FOLDER
    mels = np.load(folder / f"{name}.mel.npy", mmap_mode="r")
    if mels.shape[1] != MELS:
        raise ValueError(f"{name}: spectrograms have {mels.shape[1]} channels, must have {MELS}")
    with np.load(folder / f"{name}.npz") as file:
        arrays = dict(file)
    found, symbol, frame = [], 0, 0
    for index, (symbols, frames) in enumerate(arrays["sizes"].tolist()):
        letters, times = slice(symbol, symbol + symbols), slice(frame, frame + frames)
        found.append(
            Utterance(
                mels[times],
                arrays["symbols"][letters],
                arrays["sounds"][letters],
                arrays["phones"][times],
                arrays["places"][times],
                (int(arrays["quiet"][index, 0]), int(arrays["quiet"][index, 1])),
                float(arrays["speed"][index]),
                bool(arrays["deeper"][index]),
            )
        )
        symbol, frame = symbol + symbols, frame + frames
    return found


def names(work: Path) -> list[str]:
    """List the training shards that have features."""
    return [name for name in finished(work / FOLDER) if name != HELD_OUT_SHARD]


def add(work: Path, name: str) -> None:
    """Compute the features of a shard that has been spoken."""
    folder = work / FOLDER
    shard = open_shard(work, name)
    folder.mkdir(parents=True, exist_ok=True)
    skipped = write(folder, shard, LogMel())
    say(f"{name}: {len(shard.utterances)} utterances, {skipped} of them skipped")


def main() -> None:
    """Compute missing shards until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    clock, known = Clock(args.minutes), finished(args.work / FOLDER)
    for name in [HELD_OUT_SHARD, *shard_names(args.work)]:
        if not clock.over and name not in known:
            add(args.work, name)


if __name__ == "__main__":
    main()
