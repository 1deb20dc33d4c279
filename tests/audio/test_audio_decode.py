import contextlib
import io
import os
import struct
import threading

import av
import numpy as np
import pytest
from support.audio_files import RATE_HZ, TONE_HZ, decoded, ffmpeg_made, id3_bomb, peak_hz, tone, wav_of

from gateway.audio.decode import decode
from gateway.audio.encode import encode
from gateway.audio.ffmpeg_decoder import MAX_RATE_HZ
from gateway.audio.formats import FORMATS, choose_rate
from gateway.errors import InvalidRequest, UnsupportedMedia


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("u8.wav", ["-c:a", "pcm_u8"]),
        ("s16.wav", ["-c:a", "pcm_s16le"]),
        ("s24.wav", ["-c:a", "pcm_s24le"]),
        ("s32.wav", ["-c:a", "pcm_s32le"]),
        ("f32.wav", ["-c:a", "pcm_f32le"]),
        ("f64.wav", ["-c:a", "pcm_f64le"]),
        ("alaw.wav", ["-c:a", "pcm_alaw"]),
        ("long.w64", []),
        ("flac.flac", []),
        ("flac24.flac", ["-sample_fmt", "s32"]),
        ("apple.aiff", []),
        ("apple.caf", []),
        ("sun.au", []),
        ("vorbis.ogg", ["-c:a", "libvorbis"]),
        ("opus.ogg", ["-c:a", "libopus"]),
        ("voice.webm", ["-c:a", "libopus"]),
        ("voice.mkv", ["-c:a", "pcm_s16le"]),
        ("voice.mp3", []),
        ("voice.mp2", []),
        ("voice.aac", []),
        ("voice.m4a", []),
        ("lossless.m4a", ["-c:a", "alac"]),
        ("stereo.mp3", ["-ac", "2"]),
        ("surround.wav", ["-ac", "6"]),
        ("stereo.m4a", ["-ac", "2"]),
    ],
)
def test_common_uploads_are_decoded(tmp_path, name, options):
    audio = decoded(ffmpeg_made(tmp_path, name, *options))
    opus = "opus" in name or name.endswith("webm")
    assert audio.rate_hz == (48_000 if opus else RATE_HZ)
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert audio.duration_s == len(audio.samples) / audio.rate_hz
    assert audio.duration_s == pytest.approx(1.0, abs=0.1)
    assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=3)
    # ffmpeg writes a mono source to one of six channels, or to two at 3 dB less.
    level = {"surround": 0.5 / 6, "stereo": 0.5 / np.sqrt(2)}.get(name.partition(".")[0], 0.5)
    assert np.abs(audio.samples).max() == pytest.approx(level, rel=0.1)


def test_amr_is_decoded():
    file = io.BytesIO()
    with av.open(file, "w", format="amr") as container:
        stream = container.add_stream("libopencore_amrnb", rate=8_000, layout="mono")
        stream.bit_rate = 12_200
        frame = av.AudioFrame.from_ndarray(
            (tone(rate_hz=8_000) * 32767).astype(np.int16)[np.newaxis], format="s16", layout="mono"
        )
        frame.rate = 8_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    audio = decoded(file.getvalue())
    assert audio.rate_hz == 8_000
    assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=3)


@pytest.mark.parametrize("name", [name for name, fmt in FORMATS.items() if fmt.has_header])
def test_own_output_formats_are_decoded(name):
    audio = decoded(encode(tone(), RATE_HZ, FORMATS[name], choose_rate(FORMATS[name], RATE_HZ)))
    assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=3)


def test_float_samples_are_decoded_exactly():
    samples = np.linspace(-1, 1, RATE_HZ, dtype=np.float32)
    assert np.array_equal(decoded(wav_of([samples])).samples, samples)


def test_channels_are_averaged():
    left, right = tone(), tone(frequency_hz=900) * 0.3
    audio = decoded(wav_of([left, right]))
    assert np.allclose(audio.samples, (left + right) / 2, atol=1e-7)


def test_source_rate_is_kept_up_to_the_maximum():
    assert decoded(wav_of([tone(rate_hz=11_025)], 11_025)).rate_hz == 11_025
    for rate_hz in (48_001, 96_000, 384_000):
        audio = decoded(wav_of([tone(rate_hz=rate_hz)], rate_hz))
        assert audio.rate_hz == MAX_RATE_HZ
        assert audio.duration_s == pytest.approx(1.0, abs=1e-4)
        assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=1)


def test_cover_art_is_ignored(tmp_path):
    picture = ["-f", "lavfi", "-i", "color=red:s=64x64:d=0.04:r=25"]
    mapped = ["-map", "0:v", "-map", "1:a", "-disposition:v:0", "attached_pic"]
    for name in ("cover.mp3", "cover.m4a", "cover.flac"):
        codec = ["-c:v", "mjpeg" if name == "cover.m4a" else "png"]
        audio = decoded(ffmpeg_made(tmp_path, name, *mapped, *codec, source=picture))
        assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=3)


def test_audio_track_of_a_video_is_decoded(tmp_path):
    film = ["-f", "lavfi", "-i", "testsrc=s=64x64:d=1"]
    for name in ("film.mp4", "film.mkv"):
        audio = decoded(ffmpeg_made(tmp_path, name, source=film))
        assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=3)
    silent = ffmpeg_made(tmp_path, "silent.mp4", "-map", "0:v", source=film)
    with pytest.raises(UnsupportedMedia, match="contains no audio"):
        decoded(silent)


def test_duration_errors_state_duration_and_limits():
    data = wav_of([tone(2.5)])
    with pytest.raises(InvalidRequest, match=r"is 2\.50 s long: must be from 3 to 30 s long") as caught:
        decode(data, min_s=3, max_s=30, param="references[0].audio")
    assert caught.value.param == "references[0].audio"
    assert not isinstance(caught.value, UnsupportedMedia)
    with pytest.raises(InvalidRequest, match=r"is longer than 2 s: must be from 1\.5 to 2 s long") as caught:
        decode(data, min_s=1.5, max_s=2)
    assert caught.value.param == "audio"
    assert decode(data, min_s=2.5, max_s=2.5).duration_s == 2.5


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"hello, this is text" * 100,
        b"RIFF\x24\x00\x00\x00WAVE",
        wav_of([tone()])[:44],
        wav_of([tone()])[:30],
        bytes(100_000),
        np.random.default_rng(0).bytes(100_000),
        encode(tone(), RATE_HZ, FORMATS["flac"], RATE_HZ)[:3_000],
        encode(tone(), RATE_HZ, FORMATS["aac"], RATE_HZ)[:100],
        encode(tone(), RATE_HZ, FORMATS["pcm"], RATE_HZ),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"%PDF-1.7\n",
        b"ID3\x04\x00\x00\x00\x00\x00\x7f",
    ],
)
def test_broken_or_other_files_are_unsupported_media(data):
    with pytest.raises(UnsupportedMedia) as caught:
        decode(data, max_s=30, min_s=0.5, param="voice")
    assert caught.value.param == "voice"


def test_damaged_files_raise_no_other_errors(tmp_path):
    """Random wrong bytes lead to audio or to one of two errors, whatever happens inside FFmpeg."""
    rng = np.random.default_rng(3)
    names = ("voice.m4a", "voice.webm", "vorbis.ogg", "apple.aiff", "apple.caf", "voice.mp3", "f.flac", "f32.wav")
    for name in names:
        options = {"f32.wav": ["-c:a", "pcm_f32le"], "voice.webm": ["-c:a", "libopus"]}.get(name, [])
        data = np.frombuffer(ffmpeg_made(tmp_path, name, *options), np.uint8)
        for _ in range(100):
            damaged = data.copy()
            places = rng.integers(0, min(len(data), 2_000), 10)
            damaged[places] = rng.integers(0, 256, len(places))
            with contextlib.suppress(InvalidRequest):
                decoded(damaged.tobytes())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [1, 2])
def test_non_finite_samples_are_rejected(bad, count):
    samples = tone()
    samples[20_000] = bad
    with pytest.raises(UnsupportedMedia, match="NaN or infinite"):
        decoded(wav_of([samples, -samples][:count]))


def test_too_many_channels_or_an_extreme_rate_is_rejected():
    assert decoded(wav_of([tone()] * 8)).duration_s == 1.0
    with pytest.raises(UnsupportedMedia, match="9 channels at 24000 Hz"):
        decoded(wav_of([tone()] * 9))
    for rate_hz in (3_999, 384_001):
        with pytest.raises(UnsupportedMedia, match=f"1 channels at {rate_hz} Hz.*4000 to 384000 Hz"):
            decoded(wav_of([tone()], rate_hz))


def test_change_of_sample_rate_is_rejected():
    data = b"".join(encode(tone(), RATE_HZ, FORMATS["aac"], rate_hz) for rate_hz in (24_000, 48_000))
    with pytest.raises(UnsupportedMedia, match="changes its sample rate"):
        decoded(data)


def test_other_codecs_are_rejected(tmp_path):
    with pytest.raises(UnsupportedMedia, match="codec"):
        decoded(ffmpeg_made(tmp_path, "voice.mkv", "-c:a", "ac3"))


def test_other_containers_are_rejected(tmp_path):
    for name in ("voice.avi", "voice.ts", "voice.nut"):
        with pytest.raises(UnsupportedMedia):
            decoded(ffmpeg_made(tmp_path, name, "-c:a", "mp3"))


def test_id3_tags_before_or_inside_the_audio_are_skipped(tmp_path):
    mp3 = ffmpeg_made(tmp_path, "voice.mp3", "-metadata", "title=Hello", "-id3v2_version", "4")
    assert mp3.startswith(b"ID3")
    assert decoded(mp3).duration_s == 1.0
    assert decoded(b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128) + mp3).duration_s == 1.0
    wav = wav_of([tone()])
    chunk = b"id3 " + struct.pack("<I", len(id3_bomb(1))) + id3_bomb(1)
    tagged = wav[:36] + chunk + wav[36:]
    assert np.array_equal(decoded(tagged).samples, tone())


def test_decoding_is_thread_safe():
    data = encode(tone(), RATE_HZ, FORMATS["mp3"], RATE_HZ)
    expected = decoded(data).samples
    results = []
    threads = [threading.Thread(target=lambda: results.append(decoded(data).samples)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(np.array_equal(samples, expected) for samples in results)


def test_decoding_leaves_no_file_descriptor_open():
    data = wav_of([tone()])
    decoded(data)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        decoded(data)
        with pytest.raises(UnsupportedMedia):
            decoded(data[:44])
    assert len(os.listdir("/proc/self/fd")) == before
