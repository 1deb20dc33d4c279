import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from support.audio_files import RATE_HZ, RAW, chirp, chunked, ffmpeg_decoded

from gateway.audio.coders import to_int16
from gateway.audio.encode import Encoder, encode
from gateway.audio.formats import FORMATS, check_bitrate, choose_rate
from gateway.errors import InvalidRequest, SynthesisFailed

LOSSLESS = ("wav", "flac", "pcm")
LOSSY = ("mp3", "opus", "aac", "m4a", "webm")
OPUS = ("opus", "webm")  # always decoded at 48 kHz


def encoded(samples, name, *, rate_hz=None, streaming=True, sizes=(10**9,)):
    rate_hz = rate_hz or choose_rate(FORMATS[name], RATE_HZ)
    with Encoder(FORMATS[name], RATE_HZ, rate_hz, streaming) as encoder:
        parts = [encoder.write(chunk) for chunk in chunked(samples, sizes)]
        return b"".join([*parts, encoder.finish()])


def ffprobed(path):
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def snr_db(original, copy, max_delay_samples):
    """Signal-to-noise ratio of the copy at the delay of best alignment, and that delay."""
    spectra = np.fft.rfft(copy, 2**18) * np.conj(np.fft.rfft(original, 2**18))
    delay = int(np.argmax(np.fft.irfft(spectra)))
    assert delay <= max_delay_samples
    aligned = copy[delay : delay + len(original)]
    assert len(aligned) == len(original)
    return 10 * np.log10(np.sum(original**2) / np.sum((original - aligned) ** 2)), delay


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("mp3", "mp3"),
        ("flac", "flac"),
        ("opus", "opus"),
        ("aac", "aac"),
        ("m4a", "aac"),
        ("webm", "opus"),
    ],
)
def test_ffprobe_detects_the_format(tmp_path, name, codec, streaming):
    path = tmp_path / f"speech.{FORMATS[name].extension}"
    path.write_bytes(encoded(chirp(), name, streaming=streaming, sizes=[2_400] * 100))
    (stream,) = ffprobed(path)["streams"]
    assert stream["codec_name"] == codec
    assert stream["channels"] == 1
    assert int(stream["sample_rate"]) == (48_000 if name in OPUS else RATE_HZ)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_keep_every_sample(name, streaming):
    data = encoded(chirp(), name, streaming=streaming, sizes=[1_000] * 100)
    assert np.array_equal(np.rint(ffmpeg_decoded(data, name) * 32767), to_int16(chirp()))


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_have_a_high_signal_to_noise_ratio(name, streaming):
    decoded = ffmpeg_decoded(encoded(chirp(), name, streaming=streaming, sizes=[1_000] * 100), name)
    original = encode(chirp(), RATE_HZ, FORMATS["pcm"], 48_000) if name in OPUS else to_int16(chirp()).tobytes()
    original = np.frombuffer(original, np.int16).astype(np.float32) / 32767
    gapless = name in OPUS or (name == "mp3" and not streaming)
    ratio_db, _ = snr_db(original, decoded, max_delay_samples=2 if gapless else 1_200)
    assert ratio_db > 20
    if gapless:
        assert len(decoded) == len(original)
    else:
        assert len(original) <= len(decoded) <= len(original) + 3 * 1_152


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", FORMATS)
def test_bytes_do_not_depend_on_chunk_sizes(name, streaming, rate_hz):
    rng = np.random.default_rng(7)
    samples = chirp(1.0) + rng.normal(0, 0.05, RATE_HZ).astype(np.float32)
    whole = encoded(samples, name, rate_hz=rate_hz, streaming=streaming)
    cuts = [rng.integers(0, 3_000, 1_000), [1] * 50 + [7] * RATE_HZ, [480] * 1_000]
    for sizes in cuts:
        assert encoded(samples, name, rate_hz=rate_hz, streaming=streaming, sizes=sizes) == whole


@pytest.mark.parametrize("name", LOSSLESS)
def test_streaming_changes_headers_only(name):
    streamed, complete = (
        encoded(chirp(), name, rate_hz=16_000, streaming=streaming, sizes=[999] * 100) for streaming in (True, False)
    )
    assert np.array_equal(ffmpeg_decoded(streamed, name, 16_000), ffmpeg_decoded(complete, name, 16_000))


@pytest.mark.parametrize(
    ("name", "header_bytes", "latest_ms"),
    [
        ("wav", 44, 10),
        ("pcm", 0, 10),
        ("mp3", 0, 50),
        ("flac", 60, 50),
        ("opus", 97, 40),
        ("aac", 0, 90),
        ("m4a", 700, 190),
        ("webm", 270, 70),
        ("mulaw", 0, 10),
        ("alaw_wav", 58, 10),
    ],
)
def test_first_audio_is_returned_early(name, header_bytes, latest_ms):
    with Encoder(FORMATS[name], RATE_HZ, RATE_HZ, streaming=True) as encoder:
        sent_bytes = 0
        for count, chunk in enumerate(chunked(chirp(), [240] * 200), start=1):  # 10 ms each
            sent_bytes += len(encoder.write(chunk))
            if sent_bytes > header_bytes:
                assert count * 10 <= latest_ms
                return
    pytest.fail("no audio before the end")


@pytest.mark.parametrize("name", FORMATS)
def test_every_chunk_of_a_stream_returns_bytes(name):
    with Encoder(FORMATS[name], RATE_HZ, RATE_HZ, streaming=True) as encoder:
        sizes = [len(encoder.write(chunk)) for chunk in chunked(chirp(), [2_400] * 20)]
    assert all(sizes[1:])


@pytest.mark.parametrize("name", FORMATS)
def test_without_streaming_all_bytes_come_at_the_end(name):
    with Encoder(FORMATS[name], RATE_HZ, RATE_HZ, streaming=False) as encoder:
        assert encoder.write(chirp()) == b""
        assert encoder.finish() == encode(chirp(), RATE_HZ, FORMATS[name], RATE_HZ)


def test_equal_audio_gives_equal_bytes_in_another_process():
    program = (
        "import sys, hashlib; sys.path[:0] = ['tests/audio', 'tests']\n"
        "from test_audio_encode import FORMATS, chirp, encoded\n"
        "for name in FORMATS:\n"
        "  for streaming in (True, False):\n"
        "    print(hashlib.sha256(encoded(chirp(), name, rate_hz=48000, streaming=streaming)).hexdigest())\n"
    )
    here = [
        hashlib.sha256(encoded(chirp(), name, rate_hz=48_000, streaming=streaming)).hexdigest()
        for name in FORMATS
        for streaming in (True, False)
    ]
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
        assert done.stdout.split() == here


@pytest.mark.parametrize("name", FORMATS)
def test_every_rate_of_every_format_is_supported(tmp_path, name):
    rates_hz = FORMATS[name].rates_hz
    rates_hz = (8_000, 11_111, 22_050, 44_100, 48_000) if isinstance(rates_hz, range) else rates_hz
    t = np.arange(RATE_HZ) / RATE_HZ
    tone = (0.5 * np.sin(2 * np.pi * 1_000 * t)).astype(np.float32)
    for rate_hz in rates_hz:
        data = encoded(tone, name, rate_hz=rate_hz)
        if name not in RAW:
            path = tmp_path / f"{rate_hz}.{name}"
            path.write_bytes(data)
            (stream,) = ffprobed(path)["streams"]
            assert int(stream["sample_rate"]) == (48_000 if name in OPUS else rate_hz)
        decoded = ffmpeg_decoded(data, name, rate_hz)
        decoded_rate_hz = 48_000 if name in OPUS else rate_hz
        assert len(decoded) / decoded_rate_hz == pytest.approx(1.0, abs=0.3 if name in LOSSY else 0.001)
        spectrum = np.abs(np.fft.rfft(decoded * np.hanning(len(decoded))))
        peak_hz = np.argmax(spectrum) * decoded_rate_hz / len(decoded)
        assert peak_hz == pytest.approx(1_000, abs=5)
        assert np.std(decoded) == pytest.approx(np.std(tone), rel=0.15)


def test_streamed_wav_header_has_maximum_length():
    streamed, complete = (encoded(chirp(), "wav", streaming=streaming) for streaming in (True, False))
    assert streamed[4:8] == streamed[40:44] == b"\xff" * 4
    assert int.from_bytes(complete[4:8], "little") == len(complete) - 8
    assert int.from_bytes(complete[40:44], "little") == len(complete) - 44 == 2 * len(chirp())


def test_streamed_flac_header_has_no_length_or_checksum():
    streamed, complete = (encoded(chirp(), "flac", streaming=streaming) for streaming in (True, False))
    assert streamed[26:42] == bytes(16)
    assert complete[26:42] == hashlib.md5(to_int16(chirp()).tobytes()).digest()
    total_samples = int.from_bytes(complete[21:26], "big") & (2**36 - 1)
    assert total_samples == len(chirp())


def test_only_a_complete_mp3_has_a_xing_header():
    streamed, complete = (encoded(chirp(), "mp3", streaming=streaming) for streaming in (True, False))
    assert b"Info" in complete[:200] or b"Xing" in complete[:200]
    assert b"Info" not in streamed[:200]
    assert b"Xing" not in streamed[:200]
    assert streamed[:2] == complete[:2] == b"\xff\xf3"


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 48_000])
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", FORMATS)
def test_empty_audio_gives_a_valid_file(name, streaming, rate_hz):
    nothing = np.zeros(0, np.float32)
    data = encoded(nothing, name, rate_hz=rate_hz, streaming=streaming, sizes=())
    assert len(data) < 700
    assert encoded(nothing, name, rate_hz=rate_hz, streaming=streaming) == data
    if name == "wav":
        assert len(ffmpeg_decoded(data, name)) == 0


def test_int16_conversion_clips_and_is_symmetric():
    samples = np.array([0, 1, -1, 1.5, -7, 0.5, -0.5, 1 / 32767, 0.4 / 32767], np.float32)
    assert to_int16(samples).tolist() == [0, 32767, -32767, 32767, -32767, 16384, -16384, 1, 0]


@pytest.mark.parametrize("name", FORMATS)
def test_loud_audio_is_clipped_and_does_not_wrap(name):
    t = np.arange(RATE_HZ) / RATE_HZ
    tone = (3.0 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    rate_hz = choose_rate(FORMATS[name], RATE_HZ)
    decoded = ffmpeg_decoded(encoded(tone, name), name, rate_hz)
    decoded_rate_hz = 48_000 if name in OPUS else rate_hz
    spectrum = np.abs(np.fft.rfft(decoded[:decoded_rate_hz]))
    assert np.argmax(spectrum) == pytest.approx(300, abs=1)
    assert np.std(decoded) > 0.8


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_raise(bad):
    samples = chirp()
    samples[100] = bad
    with Encoder(FORMATS["wav"], RATE_HZ, RATE_HZ, streaming=True) as encoder, pytest.raises(SynthesisFailed):
        encoder.write(samples)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", FORMATS)
def test_closed_encoder_raises_on_use(name, streaming):
    encoder = Encoder(FORMATS[name], RATE_HZ, 48_000, streaming)
    encoder.write(chirp())
    encoder.close()
    encoder.close()
    with pytest.raises(ValueError, match="closed"):
        encoder.write(chirp())
    with pytest.raises(ValueError, match="closed"):
        encoder.finish()


def test_finish_can_be_called_once():
    with Encoder(FORMATS["mp3"], RATE_HZ, RATE_HZ, streaming=True) as encoder:
        encoder.write(chirp())
        assert encoder.finish()
        with pytest.raises(ValueError, match="closed"):
            encoder.finish()


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("name", "rate_hz", "asked", "expected"),
    [
        ("mp3", 24_000, 64, 64),
        ("mp3", 24_000, 128, 128),
        ("mp3", 24_000, 192, 160),
        ("mp3", 44_100, 192, 192),
        ("mp3", 44_100, 8, 32),
        ("mp3", 8_000, 128, 64),
        ("opus", 24_000, 24, 24),
        ("opus", 48_000, 128, 128),
        ("aac", 24_000, 64, 64),
        ("aac", 8_000, 64, 39),
        ("m4a", 24_000, 64, 64),
        ("webm", 24_000, 24, 24),
    ],
)
def test_bit_rate_is_rounded_to_the_nearest_supported(name, rate_hz, asked, expected, streaming):
    noise = (0.2 * np.random.default_rng(0).standard_normal(4 * rate_hz)).astype(np.float32)
    with Encoder(FORMATS[name], rate_hz, rate_hz, streaming, asked) as encoder:
        data = encoder.write(noise) + encoder.finish()
    headers_kbps = {"opus": 11, "webm": 6, "m4a": 10} if streaming else {}  # of pages, clusters and fragments
    assert len(data) * 8 / 4 / 1000 - headers_kbps.get(name, 0) == pytest.approx(expected, rel=0.12)


def test_bit_rate_of_a_lossless_format_is_rejected():
    for name in LOSSLESS:
        check_bitrate(FORMATS[name], None)
        with pytest.raises(InvalidRequest, match="use one of mp3, opus, aac") as caught:
            check_bitrate(FORMATS[name], 64)
        assert caught.value.param == "bitrate"
    with pytest.raises(InvalidRequest, match="257 kbit/s is out of range: opus supports 6 to 256 kbit/s"):
        check_bitrate(FORMATS["opus"], 257)
