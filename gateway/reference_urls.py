"""Settings of reference clips by URL."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Host = Annotated[str, Field(pattern=r"^(https?://)?(\*\.)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$")]


class ReferenceUrls(BaseModel):
    """Reference clips by URL instead of as files. Off without hosts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosts: tuple[_Host, ...] = Field(
        (), description="allowed hosts: media.example.com, *.example.com, host:8443; http://host without encryption"
    )
    timeout_s: float = Field(10.0, gt=0, le=60, description="time limit of a download")
