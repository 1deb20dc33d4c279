"""Per-request options of generation 0.2. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from backends.fish.options import FishOptions
from backends.fish.v0_2.text.languages import parse_order
from backends.fish.v0_2.text.prompt import check_speaker


class FishV02Options(FishOptions, frozen=True):
    """The common options, and those of the phonetic front end."""

    use_g2p: Annotated[bool, Meta(description="convert the text to phones first")] = True
    order: Annotated[str, Meta(max_length=16, description="languages by preference, e.g. zh,jp,en")] = "zh,jp,en"

    def check(self) -> None:
        """See :meth:`FishOptions.check`."""
        parse_order(self.order)
        if self.speaker is not None:
            check_speaker(self.speaker)
        super().check()
