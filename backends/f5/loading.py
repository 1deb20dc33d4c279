"""Model loading: fetch the configured files and build the sampler, vocoder and references from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from backends.base import EngineConfig, Progress
from backends.common.device import dtype_name, pick_dtype
from backends.common.memory import return_freed
from backends.common.start import fetch, start_torch
from backends.errors import LoadError
from backends.f5.builtin_voices import CLIP_FILES, BuiltinClip, folder_clips, package_clips
from backends.f5.checkpoint import load_model
from backends.f5.config import PRESETS, Architecture, F5Config, read_architecture
from backends.f5.mel import LogMel
from backends.f5.references import References
from backends.f5.sampler import Sampler
from backends.f5.transcriber import FILES as ASR_FILES
from backends.f5.transcriber import Transcriber
from backends.f5.vocabulary import Vocabulary, package_file, read_vocabulary
from backends.f5.vocoder import FILES, Vocoder, load_vocoder
from backends.hub import Hub, HubError, HubSettings

# A larger batch is nearly free on a GPU until it is saturated. One sample saturates a CPU: a larger batch only delays
# every job's first audio.
MAX_FRAMES = {"cuda": 32768, "cpu": 2048}
MAX_JOBS = {"cuda": 32, "cpu": 4}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to generate speech."""

    name: str
    device: torch.device
    sampler: Sampler
    vocoder: Vocoder
    vocabulary: Vocabulary
    references: References
    max_jobs: int
    dtype: str

    def release_memory(self) -> None:
        """Return the memory of finished samples to the system."""
        if self.device.type == "cpu":
            return_freed()


def load(config: F5Config, engine: EngineConfig, progress: Progress) -> LoadedModel:
    """Fetch and load everything the configuration names.

    :raises LoadError: if a file is missing or does not fit.
    """
    where = f"engines.{engine.name}"
    device = start_torch(engine, where)
    dtype = pick_dtype(engine.dtype, device, where)
    hub = Hub(HubSettings.from_environment(engine.hub))
    architecture = _architecture(config.architecture, hub, progress)
    checkpoint = fetch(hub, config.checkpoint, progress)
    vocabulary = read_vocabulary(_vocab(config.vocab, checkpoint, hub, progress))
    vocoder_folder = fetch(hub, config.vocoder, progress, FILES)
    clips = _clips(config, hub, progress)
    transcriber = _transcriber(config.asr, hub, progress, where)
    progress("loading the model", 0, None)
    with torch.inference_mode():
        model = load_model(checkpoint, architecture, len(vocabulary), device, dtype)
        vocoder = load_vocoder(vocoder_folder, device)
    return LoadedModel(
        name=_name(config, dtype),
        device=device,
        sampler=Sampler(model, config.max_batch_frames or MAX_FRAMES[device.type]),
        vocoder=vocoder,
        vocabulary=vocabulary,
        references=References(LogMel(), clips, transcriber),
        max_jobs=MAX_JOBS[device.type],
        dtype=dtype_name(dtype),
    )


def _name(config: F5Config, dtype: torch.dtype) -> str:
    preset = config.architecture if config.architecture in PRESETS else "F5-TTS"
    return f"{preset} {Path(config.checkpoint.partition('@')[0]).stem} {dtype_name(dtype)}"


def _architecture(name: str, hub: Hub, progress: Progress) -> Architecture:
    if name in PRESETS:
        return read_architecture(package_file(f"configs/{name}.yaml"))
    try:
        return read_architecture(hub.fetch(name, progress).path)
    except HubError as error:
        presets = ", ".join(PRESETS)
        raise LoadError(f"unknown architecture {name!r}: must be one of {presets}, or a file ({error})") from error


def _vocab(reference: str | None, checkpoint: Path, hub: Hub, progress: Progress) -> Path:
    if reference is not None:
        return fetch(hub, reference, progress)
    beside = checkpoint.parent / "vocab.txt"
    return beside if beside.exists() else package_file("infer/examples/vocab.txt")


def _clips(config: F5Config, hub: Hub, progress: Progress) -> list[BuiltinClip]:
    if config.voices is None:
        return package_clips(config.languages)
    return folder_clips(fetch(hub, config.voices, progress, CLIP_FILES), next(iter(config.languages), "en"))


def _transcriber(reference: str | None, hub: Hub, progress: Progress, where: str) -> Transcriber | None:
    if reference is None:
        return None
    return Transcriber(fetch(hub, reference, progress, ASR_FILES), torch.get_num_threads(), where)
