"""Brings together what the configuration names: network, vocabulary, vocoder, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from backends.base import EngineConfig, Progress
from backends.common.device import pick_dtype
from backends.common.memory import return_freed
from backends.common.start import fetch, start_torch
from backends.errors import LoadError
from backends.f5.checkpoint import load_network
from backends.f5.listener import FILES as ASR_FILES
from backends.f5.listener import Listener
from backends.f5.mel import LogMel
from backends.f5.model import PRESETS, Architecture, F5Model, read_architecture
from backends.f5.sampler import Sampler
from backends.f5.vocabulary import Vocabulary, package_file, read_vocabulary
from backends.f5.vocoder import FILES, Vocoder, load_vocoder
from backends.f5.voices import CLIP_FILES, Clip, Voices, folder_clips, shipped_clips
from backends.hub import Hub, HubError, HubSettings

# On a GPU a larger batch is nearly free until it is busy; a CPU is busy with one sample, and a larger batch only makes
# everybody's first audio later.
MAX_FRAMES = {"cuda": 32768, "cpu": 2048}
MAX_JOBS = {"cuda": 32, "cpu": 4}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to speak."""

    name: str
    device: torch.device
    sampler: Sampler
    vocoder: Vocoder
    vocabulary: Vocabulary
    voices: Voices
    max_jobs: int

    def tidy(self) -> None:
        """Give back what the samples that ended leave behind."""
        if self.device.type == "cpu":
            return_freed()


def load(model: F5Model, config: EngineConfig, progress: Progress) -> Loaded:
    """Fetch and load everything.

    :raises LoadError: saying what is missing or does not fit.
    """
    where = f"engines.{config.name}"
    device = start_torch(config, where)
    dtype = pick_dtype(config.dtype, device, where)
    hub = Hub(HubSettings.from_environment(config.hub))
    architecture = _architecture(model.architecture, hub, progress)
    checkpoint = fetch(hub, model.checkpoint, progress)
    vocabulary = read_vocabulary(_vocab(model.vocab, checkpoint, hub, progress))
    vocoder_folder = fetch(hub, model.vocoder, progress, FILES)
    clips = _clips(model, hub, progress)
    hearing = _listener(model.asr, hub, progress, where)
    progress("loading the model", 0, None)
    with torch.inference_mode():
        network = load_network(checkpoint, architecture, len(vocabulary), device, dtype)
        vocoder = load_vocoder(vocoder_folder, device)
    return Loaded(
        name=_name(model, dtype),
        device=device,
        sampler=Sampler(network, model.max_batch_frames or MAX_FRAMES[device.type]),
        vocoder=vocoder,
        vocabulary=vocabulary,
        voices=Voices(LogMel(), clips, hearing),
        max_jobs=MAX_JOBS[device.type],
    )


def _name(model: F5Model, dtype: torch.dtype) -> str:
    preset = model.architecture if model.architecture in PRESETS else "F5-TTS"
    return f"{preset} {Path(model.checkpoint.partition('@')[0]).stem} {str(dtype).removeprefix('torch.')}"


def _architecture(name: str, hub: Hub, progress: Progress) -> Architecture:
    if name in PRESETS:
        return read_architecture(package_file(f"configs/{name}.yaml"))
    try:
        return read_architecture(hub.fetch(name, progress).path)
    except HubError as error:
        presets = ", ".join(PRESETS)
        raise LoadError(f"architecture {name!r} is neither one of {presets} nor a file: {error}") from error


def _vocab(reference: str | None, checkpoint: Path, hub: Hub, progress: Progress) -> Path:
    if reference is not None:
        return fetch(hub, reference, progress)
    beside = checkpoint.parent / "vocab.txt"
    return beside if beside.exists() else package_file("infer/examples/vocab.txt")


def _clips(model: F5Model, hub: Hub, progress: Progress) -> list[Clip]:
    if model.voices is None:
        return shipped_clips(model.languages)
    return folder_clips(fetch(hub, model.voices, progress, CLIP_FILES), next(iter(model.languages), "en"))


def _listener(reference: str | None, hub: Hub, progress: Progress, where: str) -> Listener | None:
    if reference is None:
        return None
    return Listener(fetch(hub, reference, progress, ASR_FILES), torch.get_num_threads(), where)
