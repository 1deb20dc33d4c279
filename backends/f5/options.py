"""Per-request options of the f5 engine."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from backends.base import LIMITS_LENGTH
from backends.options import Options


class F5Options(Options, frozen=True):
    """Per-request options."""

    nfe: Annotated[int, Meta(ge=1, le=64, description="number of model evaluations: 7 fast, 16 good, 32 best")] = 16
    cfg_strength: Annotated[
        float, Meta(ge=0, le=10, description="strength of classifier-free guidance; 0 halves the work")
    ] = 2.0
    sway: Annotated[
        float, Meta(ge=-1, le=1, description="below 0: more evaluations early, where words take shape")
    ] = -1.0
    cross_fade_s: Annotated[float, Meta(ge=0, le=1, description="overlap of the chunks of a long text, in seconds")] = (
        0.15
    )
    trace: Annotated[bool, Meta(description="send the mel after some of the evaluations, for display")] = False
    fix_duration_s: (
        Annotated[
            float,
            Meta(
                gt=0,
                le=3600,
                description="duration of reference and speech together, in place of an estimate",
                extra_json_schema={LIMITS_LENGTH: True},
            ),
        ]
        | None
    ) = None
