import contextlib
import io
import os
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib

import av
import numpy as np
import pytest

from gateway.audio.decode import _OPTIONS, MAX_RATE_HZ, decode
from gateway.audio.encode import encode
from gateway.audio.formats import FORMATS
from gateway.errors import InvalidRequest, UnsupportedMedia

RATE_HZ = 24_000
TONE_HZ = 440


def tone(seconds=1.0, rate_hz=RATE_HZ, frequency_hz=TONE_HZ):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)


def decoded(data, *, max_s=30.0, min_s=0.1, param="audio"):
    return decode(data, max_s=max_s, min_s=min_s, param=param)


def peak_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return np.argmax(spectrum) * audio.rate_hz / len(audio.samples)


def wav_of(channels, rate_hz=RATE_HZ):
    """A WAV file of 32-bit floats; ``channels`` has shape (C, N)."""
    count = len(channels)
    data = np.ascontiguousarray(np.asarray(channels, "<f4").T).tobytes()
    head = struct.pack("<HHIIHH", 3, count, rate_hz, rate_hz * count * 4, count * 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def ffmpeg_made(tmp_path, name, *options, source=()):
    """A file written by the real ffmpeg from a tone."""
    path = tmp_path / name
    tone_path = tmp_path / "tone.wav"
    tone_path.write_bytes(encode(tone(), RATE_HZ, FORMATS["wav"], RATE_HZ))
    command = ["ffmpeg", "-v", "error", "-y", *source, "-i", str(tone_path), *options, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.read_bytes()


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
def test_what_people_upload(tmp_path, name, options):
    audio = decoded(ffmpeg_made(tmp_path, name, *options))
    opus = "opus" in name or name.endswith("webm")
    assert audio.rate_hz == (48_000 if opus else RATE_HZ)
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert audio.duration_s == len(audio.samples) / audio.rate_hz
    assert audio.duration_s == pytest.approx(1.0, abs=0.1)
    assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=3)
    # ffmpeg puts a mono source into one of six channels, or into two with 3 dB less.
    level = {"surround": 0.5 / 6, "stereo": 0.5 / np.sqrt(2)}.get(name.partition(".")[0], 0.5)
    assert np.abs(audio.samples).max() == pytest.approx(level, rel=0.1)


def test_amr():
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


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pcm"])
def test_what_the_gateway_itself_makes(name):
    audio = decoded(encode(tone(), RATE_HZ, FORMATS[name], RATE_HZ))
    assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=3)


def test_samples_come_through_exactly():
    samples = np.linspace(-1, 1, RATE_HZ, dtype=np.float32)
    assert np.array_equal(decoded(wav_of([samples])).samples, samples)


def test_channels_are_averaged():
    left, right = tone(), tone(frequency_hz=900) * 0.3
    audio = decoded(wav_of([left, right]))
    assert np.allclose(audio.samples, (left + right) / 2, atol=1e-7)


def test_the_source_rate_is_kept_up_to_the_highest():
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


def test_the_sound_of_a_film(tmp_path):
    film = ["-f", "lavfi", "-i", "testsrc=s=64x64:d=1"]
    for name in ("film.mp4", "film.mkv"):
        audio = decoded(ffmpeg_made(tmp_path, name, source=film))
        assert peak_hz(audio) == pytest.approx(TONE_HZ, abs=3)
    silent = ffmpeg_made(tmp_path, "silent.mp4", "-map", "0:v", source=film)
    with pytest.raises(UnsupportedMedia, match="no audio in it"):
        decoded(silent)


def test_limits_are_told_with_the_duration():
    data = wav_of([tone(2.5)])
    with pytest.raises(InvalidRequest, match=r"lasts 2\.50 s; it has to be from 3 to 30 s long") as caught:
        decode(data, min_s=3, max_s=30, param="references[0].audio")
    assert caught.value.param == "references[0].audio"
    assert not isinstance(caught.value, UnsupportedMedia)
    with pytest.raises(InvalidRequest, match=r"lasts more than 2 s; it has to be from 1\.5 to 2 s long") as caught:
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
def test_no_audio_or_broken(data):
    with pytest.raises(UnsupportedMedia) as caught:
        decode(data, max_s=30, min_s=0.5, param="voice")
    assert caught.value.param == "voice"


def test_damaged_files_fail_in_one_way_only(tmp_path):
    """Whatever a few wrong bytes do inside FFmpeg, the caller sees audio or one of two errors."""
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
def test_samples_that_are_no_numbers(bad, count):
    samples = tone()
    samples[20_000] = bad
    with pytest.raises(UnsupportedMedia, match="not finite"):
        decoded(wav_of([samples, -samples][:count]))


def test_too_many_channels_or_too_high_a_rate():
    assert decoded(wav_of([tone()] * 8)).duration_s == 1.0
    with pytest.raises(UnsupportedMedia, match="9 channels at 24000 Hz"):
        decoded(wav_of([tone()] * 9))
    for rate_hz in (3_999, 384_001):
        with pytest.raises(UnsupportedMedia, match=f"1 channels at {rate_hz} Hz.*4000 to 384000 Hz"):
            decoded(wav_of([tone()], rate_hz))


def test_a_rate_that_changes_midway():
    data = b"".join(encode(tone(), RATE_HZ, FORMATS["aac"], rate_hz) for rate_hz in (24_000, 48_000))
    with pytest.raises(UnsupportedMedia, match="changes its sample rate"):
        decoded(data)


def test_a_codec_that_is_not_accepted(tmp_path):
    with pytest.raises(UnsupportedMedia, match="codec"):
        decoded(ffmpeg_made(tmp_path, "voice.mkv", "-c:a", "ac3"))


def test_a_tag_before_the_audio_or_inside_it(tmp_path):
    mp3 = ffmpeg_made(tmp_path, "voice.mp3", "-metadata", "title=Hello", "-id3v2_version", "4")
    assert mp3.startswith(b"ID3")
    assert decoded(mp3).duration_s == 1.0
    assert decoded(b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128) + mp3).duration_s == 1.0
    wav = wav_of([tone()])
    chunk = b"id3 " + struct.pack("<I", len(id3_bomb(1))) + id3_bomb(1)
    tagged = wav[:36] + chunk + wav[36:]
    assert np.array_equal(decoded(tagged).samples, tone())


# Playlists and other files that name further files


class Named(io.BytesIO):
    """FFmpeg takes some formats only from a file of the right name, which an upload has not."""

    def __init__(self, data, name):
        super().__init__(data)
        self.name = name


@pytest.fixture
def listener():
    """A server on 127.0.0.1 that counts who calls: (its port, the list of calls)."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    calls.append(connection.recv(1_000))
                    connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], calls
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def hls(target):
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n".encode()


def dash(target):
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT3S"><Period>'
        f'<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    ).encode()


def sdp(port):
    return f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n".encode()


def ffconcat(target):
    return f"ffconcat version 1.0\nfile {target}\n".encode()


def test_the_attacks_below_are_real(tmp_path, monkeypatch, listener):
    """Without the defences FFmpeg does as told: else the tests that follow would prove nothing."""
    port, calls = listener
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.wav").write_bytes(wav_of([tone()]))
    with av.open(io.BytesIO(ffconcat("secret.wav"))) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == RATE_HZ
    with pytest.raises(av.FFmpegError), av.open(Named(hls(f"http://127.0.0.1:{port}/x.ts"), "x.m3u8")):
        pass
    assert calls


@pytest.mark.parametrize("make", [hls, ffconcat, dash])
@pytest.mark.parametrize("scheme", ["plain", "path", "file", "http", "tcp", "rtsp", "concat", "subfile"])
def test_playlists_are_refused(tmp_path, monkeypatch, listener, make, scheme):
    port, calls = listener
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav_of([tone()]))
    target = {
        "plain": "secret.wav",
        "path": str(secret),
        "file": f"file://{secret}",
        "http": f"http://127.0.0.1:{port}/x.ts",
        "tcp": f"tcp://127.0.0.1:{port}",
        "rtsp": f"rtsp://127.0.0.1:{port}/x",
        "concat": f"concat:{secret}",
        "subfile": f"subfile,,start,0,end,0,,:{secret}",
    }[scheme]
    with pytest.raises(UnsupportedMedia):
        decoded(make(target))
    assert not calls


def test_sessions_are_refused():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnsupportedMedia):
            decoded(sdp(taken.getsockname()[1]))
    with pytest.raises(UnsupportedMedia):
        decoded(b"RTSPtext\nrtsp://127.0.0.1:1/x")


@pytest.mark.parametrize(
    ("make", "name"),
    [(hls, "x.m3u8"), (ffconcat, "x.ffconcat"), (dash, "x.mpd"), (lambda target: sdp(5004), "x.sdp")],
)
def test_playlists_are_refused_even_under_their_own_names(tmp_path, monkeypatch, listener, make, name):
    """A later FFmpeg may recognise what this one does only by name; then the other locks have to hold."""
    port, calls = listener
    monkeypatch.setattr(io, "BytesIO", lambda data: Named(data, name))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.wav").write_bytes(wav_of([tone()]))
    for target in (f"http://127.0.0.1:{port}/x.ts", "secret.wav"):
        with pytest.raises(UnsupportedMedia):
            decoded(make(target))
    assert not calls


@pytest.mark.parametrize("make", [hls, ffconcat])
def test_nothing_else_can_be_opened_even_by_a_playlist(tmp_path, monkeypatch, listener, make):
    """The second lock: were such a format let in, it would open no file and call nobody."""
    port, calls = listener
    monkeypatch.setattr(io, "BytesIO", lambda data: Named(data, "x.m3u8"))
    locks = {**_OPTIONS, "format_whitelist": "hls,concat,mpegts,wav"}
    monkeypatch.setattr("gateway.audio.decode._OPTIONS", locks | ({"safe": "0"} if make is ffconcat else {}))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.wav").write_bytes(wav_of([tone()]))
    for target in (f"http://127.0.0.1:{port}/x.ts", "secret.wav", f"file://{tmp_path}/secret.wav"):
        with pytest.raises(UnsupportedMedia):
            decoded(make(target))
    assert not calls


# Small files that claim a lot of memory


def atom(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_atom(kind, body):
    return atom(kind, bytes(4) + body)


def sample_table_bomb(tracks, samples):
    """An m4a whose tracks claim so many samples, all of one size, so that the claim takes no room."""
    entry = atom(b"mp4a", bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHHHI", 1, 16, 0, 0, RATE_HZ << 16))
    table = (
        full_atom(b"stsd", struct.pack(">I", 1) + entry)
        + full_atom(b"stts", struct.pack(">III", 1, samples, 1_024))
        + full_atom(b"stsc", struct.pack(">IIII", 1, 1, samples, 1))
        + full_atom(b"stsz", struct.pack(">II", 1, samples))
        + full_atom(b"stco", struct.pack(">II", 1, 100))
    )
    media = (
        full_atom(b"mdhd", struct.pack(">IIIIHH", 0, 0, RATE_HZ, 1_000, 0, 0))
        + full_atom(b"hdlr", bytes(4) + b"soun" + bytes(13))
        + atom(
            b"minf",
            full_atom(b"smhd", bytes(4))
            + atom(b"dinf", full_atom(b"dref", struct.pack(">I", 1) + atom(b"url ", b"\0\0\0\1")))
            + atom(b"stbl", table),
        )
    )
    track = atom(b"trak", full_atom(b"tkhd", struct.pack(">III", 0, 0, 1) + bytes(68)) + atom(b"mdia", media))
    movie = full_atom(b"mvhd", struct.pack(">IIII", 0, 0, 1_000, 1_000) + bytes(80)) + track * tracks
    return atom(b"ftyp", b"M4A \0\0\0\0M4A ") + atom(b"moov", movie) + atom(b"mdat", bytes(640))


def header_bomb():
    """A QuickTime file whose compressed header inflates a thousandfold."""
    size_bytes = 500 * 2**20
    inflated = struct.pack(">I", size_bytes) + zlib.compress(bytes(size_bytes))
    movie = atom(b"cmov", atom(b"dcom", b"zlib") + atom(b"cmvd", inflated))
    return atom(b"ftyp", b"qt  \0\0\0\0qt  ") + atom(b"moov", movie) + atom(b"mdat", bytes(64))


def syncsafe(number):
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def id3_bomb(fields, field_bytes=2**20):
    """An ID3 tag of compressed text fields."""
    tag = b""
    for index in range(fields):
        text = b"\0" + str(index).encode() + b"\0" + b"A" * field_bytes
        packed = struct.pack(">I", len(text)) + zlib.compress(text)
        tag += b"TXXX" + syncsafe(len(packed)) + struct.pack(">H", 0x0009) + packed
    tag += bytes(len(tag) % 2)
    return b"ID3\x04\x00\x00" + syncsafe(len(tag)) + tag


def tagged_wav_bomb():
    tag, wav = id3_bomb(40, 15 * 2**20), wav_of([tone()])
    return wav[:36] + b"id3 " + struct.pack("<I", len(tag)) + tag + wav[36:]


def tagged_mp3_bomb():
    return id3_bomb(40, 15 * 2**20) + encode(tone(), RATE_HZ, FORMATS["mp3"], RATE_HZ)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (sample_table_bomb, (1, 80_000_000)),
        (sample_table_bomb, (200, 600_000)),
        (header_bomb, ()),
        (tagged_mp3_bomb, ()),
        (tagged_wav_bomb, ()),
    ],
)
def test_small_files_cannot_claim_much_memory(tmp_path, make, arguments):
    """In a process of its own, whose peak tells what decoding took. Undefended they all take over 500 MiB."""
    path = tmp_path / "bomb"
    path.write_bytes(make(*arguments))
    assert path.stat().st_size < 2**20
    program = (
        "import resource, sys\n"
        "from gateway.audio.decode import decode\n"
        "from gateway.errors import InvalidRequest\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    decode(data, max_s=30, min_s=0.1)\n"
        "except InvalidRequest:\n"
        "    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, text=True)
    assert int(done.stdout) < 256 * 1024
    assert done.stderr == ""


def test_long_audio_is_not_held():
    """An hour of silence in less than a megabyte: decoding stops at the limit."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=8_000, layout="mono", options={"compression_level": "8"})
        silence = np.zeros((1, 8_000 * 600), np.int16)
        for index in range(6):
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            frame.rate = 8_000
            frame.pts = index * silence.shape[1]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert len(file.getvalue()) < 2**20
    tracemalloc.start()
    with pytest.raises(InvalidRequest, match="more than 30 s"):
        decoded(file.getvalue())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 * 30 * 8_000 * 4


def test_audio_in_tiny_pieces():
    """A CAF file may put each sample into a packet of its own, which costs a thousand times the work."""
    describe = struct.pack(">d4sIIIII", RATE_HZ, b"lpcm", 0, 2, 1, 1, 16)
    caf = b"caff\0\1\0\0" + b"desc" + struct.pack(">q", len(describe)) + describe
    pcm = bytes(2 * RATE_HZ * 10)
    whole = caf + b"data" + struct.pack(">qI", len(pcm) + 4, 0) + pcm
    assert decoded(whole).duration_s == 10.0
    place = whole.index(struct.pack(">II", 2, 1))
    cut = whole[:place] + struct.pack(">II", 2, 0x7F01) + whole[place + 8 :]
    with pytest.raises(UnsupportedMedia, match="tiny pieces"):
        decoded(cut)


def test_many_threads_at_once():
    data = encode(tone(), RATE_HZ, FORMATS["mp3"], RATE_HZ)
    expected = decoded(data).samples
    results = []
    threads = [threading.Thread(target=lambda: results.append(decoded(data).samples)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(samples, expected) for samples in results)


def test_no_file_descriptor_is_left_open():
    data = wav_of([tone()])
    decoded(data)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        decoded(data)
        with pytest.raises(UnsupportedMedia):
            decoded(data[:44])
    assert len(os.listdir("/proc/self/fd")) == before
