"""Values of SSML's ``prosody`` element as factors of speed and decibels."""

from __future__ import annotations

import re

from gateway.errors import InvalidRequest

MIN_SPEED, MAX_SPEED = 0.25, 4.0
MIN_GAIN_DB, MAX_GAIN_DB = -60.0, 12.0
SILENT_DB = -120.0

# Azure AI Speech documents these factors; the standard leaves them open.
_RATES = {"x-slow": 0.5, "slow": 0.64, "medium": 1.0, "default": 1.0, "fast": 1.55, "x-fast": 2.0}
_VOLUMES = {
    "silent": SILENT_DB,
    "x-soft": -12.0,
    "soft": -6.0,
    "medium": 0.0,
    "default": 0.0,
    "loud": 6.0,
    "x-loud": 12.0,
}
_NUMBER = r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})"
_RATE = re.compile(rf"([+-]?){_NUMBER}\s?(%?)", re.ASCII)
_DECIBELS = re.compile(rf"([+-]?{_NUMBER})\s?dB", re.ASCII | re.IGNORECASE)


def parse_rate(written: str) -> float:
    """Return the factor of a rate: ``slow``, ``80%``, ``+10%`` (1.1) or ``1.2``.

    :raises InvalidRequest: if it is not a rate, or out of range.
    """
    value = written.strip().lower()
    if value in _RATES:
        return _RATES[value]
    match = _RATE.fullmatch(value)
    if match is None or (match[1] and not match[3]):
        names = ", ".join(_RATES)
        raise InvalidRequest(
            f"invalid prosody rate {written!r}: must be {names}, a percentage such as 80% or +10%, "
            "or a factor such as 1.2",
            param="text",
        )
    factor = float(match[2]) / (100 if match[3] else 1)
    if match[1]:
        factor = 1 + factor if match[1] == "+" else 1 - factor
    if not MIN_SPEED <= factor <= MAX_SPEED:
        raise InvalidRequest(
            f"prosody rate {written!r} is out of range: must be {MIN_SPEED:.0%} to {MAX_SPEED:.0%} of the normal rate",
            param="text",
        )
    return factor


def parse_volume(written: str) -> float:
    """Return the gain of a volume in decibels: ``soft`` or ``+6dB``.

    :raises InvalidRequest: if it is not a volume, or out of range.
    """
    value = written.strip().lower()
    if value in _VOLUMES:
        return _VOLUMES[value]
    match = _DECIBELS.fullmatch(value)
    if match is None:
        names = ", ".join(_VOLUMES)
        raise InvalidRequest(
            f"invalid prosody volume {written!r}: must be {names}, or a gain such as -6dB", param="text"
        )
    gain_db = float(match[1])
    if not MIN_GAIN_DB <= gain_db <= MAX_GAIN_DB:
        raise InvalidRequest(
            f"prosody volume {written!r} is out of range: must be from {MIN_GAIN_DB:g}dB to +{MAX_GAIN_DB:g}dB",
            param="text",
        )
    return gain_db


def clamp(value: float, low: float, high: float) -> float:
    """Return the value of a range that is nearest to ``value``."""
    return min(max(value, low), high)
