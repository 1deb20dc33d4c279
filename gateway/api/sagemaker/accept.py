"""Content negotiation: the response format that an ``Accept`` header selects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.audio.formats import FORMATS, get_format
from gateway.errors import InvalidRequest, NotAcceptable

JSON = "application/json"

_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|\.[0-9]{1,3}|1(\.0{0,3})?")  # RFC 9110, 12.4.2; Java's clients send .2
_MAX_RATE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class _Range:
    """One media range of the header, in lower case, with its parameters, weight ``q`` and index in the header."""

    media: str
    parameters: Mapping[str, str]
    q: float
    index: int

    @property
    def specificity(self) -> int:
        return 2 - self.media.count("*")

    def matches(self, fmt: str, rate_hz: int | None) -> bool:
        if self.media in ("*/*", "audio/*"):
            return True
        if _media_type(self.media) != FORMATS[fmt].media_type or self.parameters.get("channels", "1") != "1":
            return False
        return rate_hz is None or _rate(self, fmt).get("sample_rate", rate_hz) == rate_hz


def choose(
    accept: str, fmt: str | None = None, response: str | None = None, rate_hz: int | None = None
) -> dict[str, Any]:
    """The request fields that an ``Accept`` header selects: ``format``, ``response`` and ``sample_rate``.

    A format has the weight of the most specific range that matches it. The format with the greatest weight is
    selected, then the one with the most specific range, then the first; a range that matches any format selects
    ``wav``. The header must allow the values that the request sets itself.

    :param fmt: the format in the request.
    :param response: ``binary`` or ``base64``, if the request sets it.
    :param rate_hz: the sample rate in the request.
    :raises NotAcceptable: if the header allows no supported format.
    :raises InvalidRequest: if the header is malformed.
    """
    ranges = [_range(part, index) for index, part in enumerate(accept.split(",")) if part.strip()]
    if not ranges:
        return {}
    found: list[tuple[_Range, dict[str, Any]]] = []
    if response != "base64":
        for name in [fmt] if fmt else FORMATS:  # wav is the first
            if one := _most_specific([one for one in ranges if one.matches(name, rate_hz)]):
                found.append((one, {"format": name, **_rate(one, name)}))
    if response != "binary":
        taken = {JSON, "application/*", "*/*"} if response else {JSON}
        if one := _most_specific([one for one in ranges if one.media in taken]):
            found.append((one, {"response": "base64"}))
    best = max(found, key=lambda pair: (pair[0].q, pair[0].specificity, -pair[0].index), default=None)
    if best is None or not best[0].q:
        kinds = ", ".join([*dict.fromkeys(known.media_type for known in FORMATS.values()), JSON])
        own = ([f"the format {fmt!r}"] if fmt else []) + ([f"{rate_hz} Hz"] if rate_hz is not None else [])
        named = f" together with {' and '.join(own)}" if own else ""
        raise NotAcceptable(f"{accept!r} matches no supported format{named}: supported are {kinds}", param="Accept")
    return best[1]


def _media_type(media: str) -> str | None:
    """The media type in the table of formats that this one means."""
    try:
        return get_format(media).media_type if "/" in media else None
    except InvalidRequest:
        return None


def _most_specific(ranges: list[_Range]) -> _Range | None:
    return max(ranges, key=lambda one: (one.specificity, one.q, -one.index), default=None)


def _rate(one: _Range, fmt: str) -> dict[str, Any]:
    """The sample rate in a media range of headerless audio, if any."""
    rate = one.parameters.get("rate")
    if FORMATS[fmt].has_header or rate is None:
        return {}
    if not (rate.isascii() and rate.isdecimal() and len(rate) <= _MAX_RATE_DIGITS):
        raise InvalidRequest(f"invalid rate {rate!r}: must be an integer in Hz", param="Accept")
    return {"sample_rate": int(rate)}


def _range(text: str, index: int) -> _Range:
    media, *rest = (part.strip() for part in text.split(";"))
    pairs = [part.partition("=") for part in rest if part]
    parameters = {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs}
    q = parameters.pop("q", "1")
    if not _WEIGHT.fullmatch(q):
        raise InvalidRequest(
            f"invalid weight in {text.strip()!r}: must be 0 to 1 with at most three decimals", param="Accept"
        )
    return _Range(media.lower(), parameters, float(q), index)
