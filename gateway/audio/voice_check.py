"""Check that a recording can be a voice: refuse silence and steady sounds such as noise, hum and tones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backends.base import Audio
from gateway.errors import InvalidRequest

MIN_LEVEL_DBFS = -55.0  # quiet speech at some distance is above -50, a muted microphone below -60
LOUD_S = 0.3  # duration that must reach the level, so that one click does not
# Measured over 1 to 20 s: noise of any color varies by 1 to 2.7 dB, tones and hum by 0. Speech varies by 13 to 23 dB,
# by 4 dB in white noise of the same power, and by 3 dB in the steadiest second that was found.
MIN_VARIATION_DB = 2.5
ACTIVE_RANGE_DB = 25.0  # below the loud level is a pause
FRAME_S = 0.04
BAND_HZ = (100.0, 4000.0)


def check_voice(samples: Audio, rate_hz: int, param: str) -> None:
    """Refuse a recording without speech. It recognizes silence and steady sounds; it does not detect speech.

    :param samples: shape (N,).
    :raises InvalidRequest: with the level or the variation that was found, and the limit.
    """
    if not len(samples):
        return
    power, weighted = _frame_powers(_without_rumble(samples, rate_hz), rate_hz)
    loud_frames = min(len(power), round(LOUD_S / FRAME_S))
    if not loud_frames:
        return
    levels = _decibels(power)
    loud = float(np.partition(levels, -loud_frames)[-loud_frames])
    if loud < MIN_LEVEL_DBFS:
        raise InvalidRequest(
            f"the recording is almost silent: its loudest {loud_frames * FRAME_S:.2g} s reach {loud:.0f} dBFS between "
            f"{BAND_HZ[0]:g} and {BAND_HZ[1]:g} Hz, and speech needs {MIN_LEVEL_DBFS:g} dBFS; record it louder",
            param=param,
        )
    active = _decibels(weighted)[levels > loud - ACTIVE_RANGE_DB]
    if len(active) <= round(LOUD_S / FRAME_S):
        return  # too short for a measurement
    low, high = np.percentile(active, (10, 90))
    if high - low < MIN_VARIATION_DB:
        raise InvalidRequest(
            f"the recording has no speech, only a steady sound such as noise or a tone: its level varies by "
            f"{high - low:.1f} dB, and speech by at least {MIN_VARIATION_DB:g} dB",
            param=param,
        )


def _without_rumble(samples: Audio, rate_hz: int) -> npt.NDArray[np.float64]:
    """Remove frequencies below the band of speech, which would leak into it in frames shorter than their period."""
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate_hz) < BAND_HZ[0]] = 0
    return np.fft.irfft(spectrum, len(samples))


def _frame_powers(
    samples: npt.NDArray[np.float64], rate_hz: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Power of each frame in the band of speech; also with 3 dB per octave of pre-emphasis, so that low-pitched noise,
    which has few independent components per frame, varies little."""
    size = round(FRAME_S * rate_hz)
    count = len(samples) // size
    window = np.hanning(size)
    frames = samples[: count * size].reshape(count, size)
    frequencies = np.fft.rfftfreq(size, 1 / rate_hz)
    band = (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])
    scale = 2.0 / (size * np.sum(window**2))
    power = np.empty(count)
    weighted = np.empty(count)
    for index, frame in enumerate(frames):
        spectrum = scale * np.abs(np.fft.rfft(frame * window)[band]) ** 2
        power[index] = spectrum.sum()
        weighted[index] = spectrum @ frequencies[band] / 1000.0
    return power, weighted


def _decibels(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    decibels: npt.NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, 1e-12))
    return decibels
