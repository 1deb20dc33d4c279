"""Malicious files: they try to read local files, open connections, or exhaust memory or CPU time."""

import contextlib
import io
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib

import av
import numpy as np
import pytest
from support.audio_files import RATE_HZ, decoded, id3_bomb, tone, wav_of

from gateway.audio.encode import encode
from gateway.audio.ffmpeg_decoder import _OPTIONS, decode_file
from gateway.audio.formats import FORMATS
from gateway.errors import InvalidRequest, UnsupportedMedia


def decoded_here(data):
    """Decode in this process, without the limits of a child process."""
    return decode_file(data, max_s=30, min_s=0.1)


# Playlists and other files that refer to further files


class Named(io.BytesIO):
    """A file object with a name. FFmpeg detects some formats only by file name, which uploads do not have."""

    def __init__(self, data, name):
        super().__init__(data)
        self.name = name


@pytest.fixture
def listener():
    """A server on 127.0.0.1 that records connections: (its port, the list of received bytes)."""
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


def test_attacks_work_without_the_defenses(tmp_path, monkeypatch, listener):
    """Without the defenses, FFmpeg opens the named files and URLs; otherwise the tests below would prove nothing."""
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
def test_playlists_are_rejected(tmp_path, monkeypatch, listener, make, scheme):
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
        decoded_here(make(target))
    assert not calls


def test_session_descriptions_are_rejected():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnsupportedMedia):
            decoded_here(sdp(taken.getsockname()[1]))
    with pytest.raises(UnsupportedMedia):
        decoded_here(b"RTSPtext\nrtsp://127.0.0.1:1/x")


@pytest.mark.parametrize(
    ("make", "name"),
    [(hls, "x.m3u8"), (ffconcat, "x.ffconcat"), (dash, "x.mpd"), (lambda target: sdp(5004), "x.sdp")],
)
def test_playlists_are_rejected_under_their_own_names(tmp_path, monkeypatch, listener, make, name):
    """A later FFmpeg may detect by content what this one detects by name only; the other defenses must then hold."""
    port, calls = listener
    monkeypatch.setattr(io, "BytesIO", lambda data: Named(data, name))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.wav").write_bytes(wav_of([tone()]))
    for target in (f"http://127.0.0.1:{port}/x.ts", "secret.wav"):
        with pytest.raises(UnsupportedMedia):
            decoded_here(make(target))
    assert not calls


@pytest.mark.parametrize(
    ("make", "disabled"),
    [
        (hls, ["format_whitelist"]),
        (ffconcat, ["format_whitelist"]),
        # A concat demuxer does not call io_open, so only the protocol list stops it.
        (hls, ["format_whitelist", "protocol_whitelist"]),
    ],
)
def test_each_defense_holds_without_the_others(tmp_path, monkeypatch, listener, make, disabled):
    """Even if such a format were accepted, it could open no file and no connection."""
    port, calls = listener
    options = {key: value for key, value in _OPTIONS.items() if key not in disabled}
    monkeypatch.setattr("gateway.audio.ffmpeg_decoder._OPTIONS", options | ({"safe": "0"} if make is ffconcat else {}))
    monkeypatch.setattr(io, "BytesIO", lambda data: Named(data, "x.m3u8"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.wav").write_bytes(wav_of([tone()]))
    for target in (f"http://127.0.0.1:{port}/x.ts", "secret.wav", f"file://{tmp_path}/secret.wav"):
        with pytest.raises(UnsupportedMedia):
            decoded_here(make(target))
    assert not calls


# Small files that claim much memory


def atom(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_atom(kind, body):
    return atom(kind, bytes(4) + body)


def sample_table_bomb(tracks, samples):
    """An m4a file whose tracks claim this many samples, all of equal size, so that the claim itself is small."""
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


def tagged_wav_bomb():
    tag, wav = id3_bomb(120, 5 * 2**20), wav_of([tone()])
    return wav[:36] + b"id3 " + struct.pack("<I", len(tag)) + tag + wav[36:]


def tagged_mp3_bomb():
    return id3_bomb(120, 5 * 2**20) + encode(tone(), RATE_HZ, FORMATS["mp3"], RATE_HZ)


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
    """Measure the peak memory of the decoder. Without the defenses, each takes over 500 MiB."""
    path = tmp_path / "bomb"
    path.write_bytes(make(*arguments))
    assert path.stat().st_size < 2**20
    program = (
        "import contextlib, resource, sys\n"
        "from gateway.audio.decode import decode, end_idle\n"
        "from gateway.errors import InvalidRequest\n"
        "with contextlib.suppress(InvalidRequest):\n"
        "    decode(open(sys.argv[1], 'rb').read(), max_s=30, min_s=0.1)\n"
        "end_idle()\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, text=True)
    assert int(done.stdout) < 320 * 1024  # 64 MiB without a file
    assert done.stderr == ""


def test_long_audio_is_not_kept_in_memory():
    """Decoding an hour of silence, less than a megabyte of FLAC, stops at the limit."""
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
    with pytest.raises(InvalidRequest, match="longer than 30 s"):
        decoded_here(file.getvalue())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 * 30 * 8_000 * 4


def tiny_frames():
    """A CAF file with one packet per sample, which costs a thousand times the work."""
    describe = struct.pack(">d4sIIIII", 48_000, b"lpcm", 0, 2, 1, 1, 16)
    pcm = bytes(2 * 48_000 * 29)
    caf = b"caff\0\1\0\0" + b"desc" + struct.pack(">q", len(describe)) + describe
    caf += b"data" + struct.pack(">qI", len(pcm) + 4, 0) + pcm
    return caf.replace(struct.pack(">II", 2, 1), struct.pack(">II", 2, 0x7F01), 1)


def many_comments():
    """A FLAC file whose comments FFmpeg compares each with each, which takes minutes before any packet."""
    flac = encode(tone(), RATE_HZ, FORMATS["flac"], RATE_HZ)
    comments = b"".join(struct.pack("<I", 7) + b"%05x=a" % index for index in range(150_000))
    block = struct.pack("<II", 0, 150_000) + comments
    return flac[:42] + b"\x04" + len(block).to_bytes(3, "big") + block + flac[42:]


@pytest.mark.parametrize("make", [tiny_frames, many_comments])
def test_file_that_takes_much_cpu_time_is_rejected(make):
    with pytest.raises(UnsupportedMedia, match="the recording takes more than"):
        decoded(make())
    assert decoded(wav_of([tone()])).duration_s == 1.0


def vint(number):
    for length in range(1, 9):
        if number < (1 << (7 * length)) - 1:
            return ((1 << (7 * length)) | number).to_bytes(length, "big")
    raise ValueError(number)


def element(name, data):
    return bytes.fromhex(name) + vint(len(data)) + data


def number(name, value):
    return element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def matroska_bomb(stripped, blocks):
    """Two seconds of PCM, and a second track whose small blocks each expand to megabytes (header stripping)."""
    head = number("4286", 1) + number("42F7", 1) + element("4282", b"matroska") + number("4287", 4) + number("4285", 2)
    audio = element("E1", element("B5", struct.pack(">d", 16000.0)) + number("9F", 1) + number("6264", 16))
    encoding = element("5034", number("4254", 3) + element("4255", b"a" * stripped))
    encodings = element("6D80", element("6240", number("5031", 0) + number("5032", 1) + number("5033", 0) + encoding))

    def track(index, kind, codec, extra):
        return element("AE", number("D7", index) + number("73C5", index) + number("83", kind) + codec + extra)

    tracks = track(1, 2, element("86", b"A_PCM/INT/LIT"), audio)
    tracks += track(2, 17, element("86", b"S_TEXT/UTF8"), encodings)

    def block(index, at_ms, data):
        return element("A3", vint(index) + struct.pack(">hB", at_ms, 0x80) + data)

    second = np.zeros(16000, "<i2").tobytes()
    cluster = number("E7", 0) + block(1, 0, second) + b"".join(block(2, i % 30000, b"x") for i in range(blocks))
    info = element("1549A966", number("2AD7B1", 1_000_000) + element("4D80", b"x") + element("5741", b"x"))
    segment = info + element("1654AE6B", tracks) + element("1F43B675", cluster + block(1, 1000, second))
    return element("1A45DFA3", head) + element("18538067", segment)


def test_other_tracks_are_not_unpacked():
    began_s = time.thread_time()
    samples, rate_hz = decoded_here(matroska_bomb(stripped=8 << 20, blocks=5_000))
    assert len(samples) == 2 * rate_hz
    assert time.thread_time() - began_s < 1.0  # unpacking 5,000 blocks of 8 MB takes seconds
