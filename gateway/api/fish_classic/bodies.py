"""Request bodies of the classic Fish-Speech API that speak.

Names, types and defaults are those of Fish-Speech (v0.2.0 ``tools/api_server.py``, and ``tools/api.py`` of April 2024).
Defaults are documentation only: fields that a request omits are left to the engine.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from gateway.api.common.fish import clamp_option
from gateway.service.classic.load_request import ClassicBody
from gateway.service.request import FormatName

_OPTIONS = (
    "max_new_tokens",
    "top_k",
    "top_p",
    "repetition_penalty",
    "temperature",
    "speaker",
    "order",
    "use_g2p",
)
_UpToTwo = Annotated[float, Field(ge=0, le=2)]
_Unit = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=0)]


class _SpeechBody(ClassicBody):
    text: str = "你说的对, 但是原神是一款由米哈游自主研发的开放世界手游."
    max_new_tokens: _Count = Field(0, description="longest audio in code frames, 21.5 per second; 0: no limit")
    top_k: _Count | None = Field(None, description="null or 0: off")
    top_p: _Unit = 0.5
    repetition_penalty: _UpToTwo = 1.5
    temperature: _UpToTwo = 0.7
    speaker: str | None = None

    def options(self) -> dict[str, Any]:
        """Engine options of the fields that the request contains. Engines refuse options that they do not have."""
        given = self.given(*_OPTIONS).items()
        options = {name: value if isinstance(value, str) else clamp_option(name, value) for name, value in given}
        return {name: value for name, value in options.items() if (name, value) != ("speaker", "")}


class InvokeBody(_SpeechBody):
    """A text to speak."""

    prompt_text: str | None = Field(None, description="transcript of prompt_tokens")
    prompt_tokens: str | None = Field(
        None, description="an .npy file of codes or a .wav file in a folder of fish_api.roots, or a stored voice"
    )
    order: str = Field("zh,jp,en", description="languages by preference")
    use_g2p: bool = Field(True, description="convert the text to phones first")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None


class AprilInvokeBody(_SpeechBody):
    """A text to speak, in the format of the server of April 2024."""

    reference_text: str | None = Field(None, description="transcript of reference_audio")
    reference_audio: str | None = Field(None, description="a recording of the voice, in base64")
    chunk_length: _Count = Field(30, description="longest text chunk in characters; 0: no limit")
    top_k: _Count | None = 0
    top_p: _Unit = 0.7
    format: FormatName = Field("wav", description="as in /tts")
