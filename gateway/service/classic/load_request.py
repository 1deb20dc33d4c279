"""Requests of the classic Fish-Speech API to load a model, and the engine settings that they ask for.

Names, types and defaults are those of Fish-Speech v0.2.0. Defaults are documentation only: omitted fields stay as
configured.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.checkpoints import REMOTE
from gateway.errors import Forbidden, InvalidRequest
from gateway.service.classic.files import RequestFiles
from gateway.settings import EngineSettings

LM_CHECKPOINT = "checkpoints/text2semantic-400m-v0.2-4k.pth"
CODEC_CHECKPOINT = "checkpoints/vqgan-v1.pth"
TOKENIZER = "fishaudio/speech-lm-v1"

_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
# The fields that name files: their keys in the engine's ``model`` block, and the clients' defaults, which mean the
# configured file unless a file of that name exists. The page of February 2024 has v0.3.
_FILES = {
    "llama.checkpoint_path": ("lm_checkpoint", (LM_CHECKPOINT, LM_CHECKPOINT.replace("v0.2", "v0.3"))),
    "llama.tokenizer": ("tokenizer", (TOKENIZER,)),
    "vqgan.checkpoint_path": ("codec_checkpoint", (CODEC_CHECKPOINT,)),
}


class ClassicBody(BaseModel):
    """A request body. Unknown fields are ignored, as in the original server."""

    model_config = ConfigDict(frozen=True)

    def given(self, *names: str) -> dict[str, Any]:
        """The named fields that the request contains, with their values."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


class LlamaBody(ClassicBody):
    """The language model to load; omitted fields stay as configured."""

    config_name: Literal[
        "text2semantic_finetune",
        "text2semantic_finetune_spk",
        "text2semantic_finetune_lora",
        "text2semantic_pretrain",
    ] = Field("text2semantic_finetune", description="they differ in training only; the checkpoint decides")
    checkpoint_path: str = Field(
        LM_CHECKPOINT, description="in a folder of fish_api.roots; default: the configured one"
    )
    precision: Literal["float16", "bfloat16"] = "bfloat16"
    tokenizer: str = Field(TOKENIZER, description="a folder in one of fish_api.roots; default: the configured one")
    compile: bool = Field(True, description="CUDA graphs on a GPU; without effect on a CPU")


class VqganBody(ClassicBody):
    """The codec to load; omitted fields stay as configured."""

    config_name: Literal["vqgan_pretrain", "vqgan_finetune"] = "vqgan_pretrain"
    checkpoint_path: str = Field(CODEC_CHECKPOINT, description="as llama.checkpoint_path")


class LoadBody(ClassicBody):
    """A model to load; an empty body loads the configured model."""

    device: str = Field("cuda", description="auto, cpu, cuda, cuda:1 …; default: as configured")
    llama: LlamaBody = Field(default_factory=LlamaBody)
    vqgan: VqganBody = Field(default_factory=VqganBody)


def engine_settings(body: LoadBody, base: EngineSettings, files: RequestFiles) -> EngineSettings:
    """Apply a request to the base engine's settings; the result equals ``base`` if nothing differs. Blocks on disk.

    :raises Forbidden: if a path is outside the allowed folders or is a hub reference.
    :raises InvalidRequest: naming the field.
    """
    model = dict(base.model)
    for param, (key, placeholders) in _FILES.items():
        block, field = param.split(".")
        for name in getattr(body, block).given(field).values():
            if (path := _find(name, param, base.model.get(key), placeholders, files)) is not None:
                model[key] = str(path)
    llama = body.llama.given("compile", "precision")
    # Clients send true for every device; null is true on a device that has graphs.
    if "compile" in llama and (compile_ := None if llama["compile"] else False) != base.model.get("compile"):
        model["compile"] = compile_
    update: dict[str, Any] = {"model": model}
    if llama.get("precision", base.dtype) != base.dtype:
        update["dtype"] = f"{llama['precision']},auto"  # a device without it uses the nearest one
    for device in body.given("device").values():
        if not _DEVICE.fullmatch(device):
            raise InvalidRequest(f"invalid device {device!r}: must be auto, cpu, cuda or cuda:N", param="device")
        update["device"] = "cuda:0" if device == "cuda" else device
    return base.model_copy(update=update)


def _find(name: str, param: str, configured: Any, placeholders: tuple[str, ...], files: RequestFiles) -> Path | None:
    """The path of a checkpoint file or a tokenizer's folder; None for the configured one."""
    if isinstance(configured, str) and name in (configured, configured.removeprefix(REMOTE)):
        return None
    if name.startswith(REMOTE):
        raise Forbidden("hub references are not allowed in requests, except the configured one", param=param)
    try:
        found = files.find(name, param)
    except Forbidden:
        if name not in placeholders:
            raise
        found = None
    if found is None:
        if name in placeholders:
            return None
        raise InvalidRequest("not found in the folders of the setting fish_api.roots", param=param)
    is_folder = param == "llama.tokenizer"
    if not (found.is_dir() if is_folder else found.is_file()):
        raise InvalidRequest(f"must be a {'folder' if is_folder else 'file'}", param=param)
    return found
