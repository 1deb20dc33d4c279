"""Request bodies of the classic Fish-Speech API.

Names, types and defaults are those of Fish-Speech (v0.2.0 ``tools/api_server.py``, and ``tools/api.py`` of April 2024).
Defaults are documentation only: fields that a request omits are left to the engine.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.service.request import FormatName

LM_CHECKPOINT = "checkpoints/text2semantic-400m-v0.2-4k.pth"
LM_CHECKPOINTS = (LM_CHECKPOINT, "checkpoints/text2semantic-400m-v0.3-4k.pth")  # the second: the page of February 2024
CODEC_CHECKPOINT = "checkpoints/vqgan-v1.pth"
TOKENIZER = "fishaudio/speech-lm-v1"
DEFAULT_TEXT = "你说的对, 但是原神是一款由米哈游自主研发的开放世界手游."

_Unit = Annotated[float, Field(ge=0, le=1)]
_UpToTwo = Annotated[float, Field(ge=0, le=2)]
_Count = Annotated[int, Field(ge=0)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True)  # unknown fields are ignored, as in the original server

    def given(self, *names: str) -> dict[str, Any]:
        """The named fields that the request contains, with their values."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


class LlamaBody(_Body):
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


class VqganBody(_Body):
    """The codec to load; omitted fields stay as configured."""

    config_name: Literal["vqgan_pretrain", "vqgan_finetune"] = "vqgan_pretrain"
    checkpoint_path: str = Field(CODEC_CHECKPOINT, description="as llama.checkpoint_path")


class LoadBody(_Body):
    """A model to load; an empty body loads the configured model."""

    device: str = Field("cuda", description="cpu, cuda, cuda:1 …; default: as configured")
    llama: LlamaBody = Field(default_factory=LlamaBody)
    vqgan: VqganBody = Field(default_factory=VqganBody)


class InvokeBody(_Body):
    """A text to speak."""

    text: str = DEFAULT_TEXT
    prompt_text: str | None = Field(None, description="transcript of prompt_tokens")
    prompt_tokens: str | None = Field(
        None, description="an .npy file of codes or a .wav file in a folder of fish_api.roots, or a stored voice"
    )
    max_new_tokens: _Count = Field(0, description="longest audio in code frames, 21.5 per second; 0: no limit")
    top_k: _Count | None = Field(None, description="null or 0: off")
    top_p: _Unit = 0.5
    repetition_penalty: _UpToTwo = 1.5
    temperature: _UpToTwo = 0.7
    order: str = Field("zh,jp,en", description="languages by preference")
    use_g2p: bool = Field(True, description="convert the text to phones first")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None
    speaker: str | None = None


class AprilInvokeBody(_Body):
    """A text to speak, in the format of the server of April 2024."""

    text: str = DEFAULT_TEXT
    reference_text: str | None = Field(None, description="transcript of reference_audio")
    reference_audio: str | None = Field(None, description="a recording of the voice, in base64")
    max_new_tokens: _Count = 0
    chunk_length: _Count = Field(30, description="longest text chunk in characters; 0: no limit")
    top_k: _Count | None = 0
    top_p: _Unit = 0.7
    repetition_penalty: _UpToTwo = 1.5
    temperature: _UpToTwo = 0.7
    speaker: str | None = None
    format: FormatName = Field("wav", description="as in /tts")
