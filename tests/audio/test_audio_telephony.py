"""G.711, raw and in WAV, against FFmpeg's codec and its decoder."""

import io
import struct

import av
import numpy as np
import pytest
from support.audio_files import chirp, chunked, ffmpeg_decoded

from gateway.audio.coders import to_int16
from gateway.audio.encode import Encoder, encode
from gateway.audio.formats import FORMATS

RATE_HZ = 8_000
TAGS = {"alaw": 6, "mulaw": 7}
EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.float32) / np.float32(32_767)


def encoded(samples, name, streaming, sizes=(10**9,)):
    with Encoder(FORMATS[name], RATE_HZ, RATE_HZ, streaming) as encoder:
        return b"".join([*map(encoder.write, chunked(samples, sizes)), encoder.finish()])


def ffmpeg_encoded(samples, law):
    file = io.BytesIO()
    with av.open(file, "w", format=law) as container:
        stream = container.add_stream(f"pcm_{law}", rate=RATE_HZ)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(to_int16(samples)[np.newaxis], format="s16", layout="mono")
        frame.rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        return file.getvalue()


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("law", TAGS)
@pytest.mark.parametrize("samples", [chirp(1.0, RATE_HZ), EVERY_SAMPLE], ids=["chirp", "every sample"])
def test_codes_are_those_of_ffmpegs_codec(law, samples, streaming):
    expected = ffmpeg_encoded(samples, law)
    assert encoded(samples, law, streaming, sizes=[999] * 100) == expected
    assert encoded(samples, f"{law}_wav", streaming, sizes=[999] * 100)[58:] == expected


@pytest.mark.parametrize(("law", "silence"), [("mulaw", 0xFF), ("alaw", 0xD5)])
def test_silence_has_the_code_of_the_standard(law, silence):
    assert set(encoded(np.zeros(80, np.float32), law, streaming=True)) == {silence}


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", ["mulaw", "alaw", "mulaw_wav", "alaw_wav"])
def test_ffmpeg_decodes_the_speech(name, streaming):
    samples = chirp(1.0, RATE_HZ)
    decoded = ffmpeg_decoded(encoded(samples, name, streaming), name, RATE_HZ)
    assert len(decoded) == len(samples)
    assert 10 * np.log10(np.sum(samples**2) / np.sum((samples - decoded) ** 2)) > 30


@pytest.mark.parametrize("law", TAGS)
def test_wav_header_has_format_tag_and_fact_chunk(law):
    samples = chirp(1.0, RATE_HZ)[:-1]  # odd, so that the data chunk is padded
    complete, streamed = (encoded(samples, f"{law}_wav", streaming) for streaming in (False, True))
    for data, riff, count, size in (
        (complete, len(complete) - 8, len(samples), len(samples)),
        (streamed, 0xFFFFFFFF, 0, 0xFFFFFFFF),
    ):
        assert struct.unpack("<4sI4s4sI", data[:20]) == (b"RIFF", riff, b"WAVE", b"fmt ", 18)
        assert struct.unpack("<HHIIHHH", data[20:38]) == (TAGS[law], 1, RATE_HZ, RATE_HZ, 1, 8, 0)
        assert struct.unpack("<4sII4sI", data[38:58]) == (b"fact", 4, count, b"data", size)
    assert len(complete) == 58 + len(samples) + 1
    assert len(streamed) == 58 + len(samples)
    with av.open(io.BytesIO(complete)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.duration) == (f"pcm_{law}", len(samples))


def test_engine_audio_is_resampled_to_8_khz():
    assert len(encode(chirp(1.0), 24_000, FORMATS["mulaw"], RATE_HZ)) == RATE_HZ
