import errno
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import wave
from dataclasses import replace

import numpy as np
import pytest
from support.voice_samples import RATE_HZ, add, speech

from gateway.errors import Conflict, GatewayError, InsufficientStorage, InvalidRequest, VoiceNotFound
from gateway.voices.fs import FileVoiceStore
from gateway.voices.store import from_wav, to_wav


def test_stored_voice_is_returned_by_id_and_name(store):
    voice, created = add(store, "Ada Lovelace", " Hello,\r\nworld. ", language="en-GB")
    assert created
    assert re.fullmatch(r"voice-[0-9a-f]{16}", voice.id)
    assert voice.digest.startswith(voice.id.removeprefix("voice-"))
    assert len(voice.digest) == 64
    assert (voice.name, voice.transcript, voice.language) == ("Ada Lovelace", "Hello,\nworld.", "en-GB")
    assert (voice.duration_s, voice.rate_hz) == (0.5, RATE_HZ)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", voice.created_at)
    assert store.get(voice.id) == store.get("Ada Lovelace") == store.get("ada LOVELACE") == voice
    assert list(store.list()) == [voice]


def test_recording_is_returned_as_mono_16_bit_wav(store, tmp_path):
    voice, _ = add(store)
    path = tmp_path / "copy.wav"
    path.write_bytes(store.audio(voice.id))
    with wave.open(str(path)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, RATE_HZ)
        assert reader.getnframes() == RATE_HZ // 2
    assert store.audio("ADA") == path.read_bytes()


def test_reference_has_the_stored_samples(store):
    voice, _ = add(store)
    reference = store.load_reference(voice)
    assert reference.audio.dtype == np.float32
    assert np.abs(reference.audio - speech()).max() <= 0.5 / 32_768
    assert (reference.sample_rate_hz, reference.text, reference.digest) == (RATE_HZ, "Hello.", voice.digest)
    assert store.load_reference(voice) is reference
    with pytest.raises(ValueError, match="read-only"):
        reference.audio[0] = 0


def test_16_bit_audio_is_stored_bit_for_bit():
    """A recording copied from one store to another has the same ID there."""
    samples = np.arange(-32_768, 32_768).astype(np.float32) / 32_768
    assert np.array_equal(from_wav(to_wav(samples, RATE_HZ)), samples)
    assert from_wav(to_wav(np.array([1.0, 7.0, -7.0], np.float32), RATE_HZ)).tolist() == [32_767 / 32_768] * 2 + [-1.0]


def test_adding_the_same_voice_again_changes_nothing(store):
    voice, _ = add(store, "Ada")
    assert add(store, "Ada") == (voice, False)
    assert add(store, "aDA", " Hello. ") == (voice, False)
    assert len(store.list()) == 1


def test_name_of_another_voice_conflicts(store):
    add(store, "Straße")
    for name in ("Straße", "strasse", "STRASSE"):
        with pytest.raises(Conflict, match="'Straße'") as caught:
            add(store, name, seed=1)
        assert caught.value.param == "name"
    with pytest.raises(Conflict):
        add(store, "Straße", "Another transcript.")


def test_same_recording_under_another_name_conflicts(store):
    add(store, "Ada")
    with pytest.raises(Conflict, match="as the voice 'Ada'") as caught:
        add(store, "Grace")
    assert caught.value.param == "audio"
    assert add(store, "Grace", "With another transcript.")[1]


def test_full_store_conflicts(tmp_path):
    store = FileVoiceStore(tmp_path, max_voices=2)
    add(store, "a", seed=1)
    add(store, "b", seed=2)
    with pytest.raises(Conflict, match=r"the store has 2 voices \(limit: 2\): remove one first"):
        add(store, "c", seed=3)
    assert not add(store, "b", seed=2)[1]
    store.remove("a")
    assert add(store, "c", seed=3)[1]


def test_removed_voice_is_not_found(store, folder):
    voice, _ = add(store)
    store.load_reference(voice)
    assert store.remove("ada") == voice
    assert not store.list()
    assert [path.name for path in folder.iterdir()] == [".lock"]
    for use in (store.get, store.audio, store.remove):
        with pytest.raises(VoiceNotFound):
            use(voice.id)
    with pytest.raises(VoiceNotFound):
        store.load_reference(voice)
    assert add(store)[1]


def test_voices_persist_on_disk(store, folder):
    voices = {add(store, name, seed=seed)[0] for seed, name in enumerate(["b", "A", "c"])}
    again = FileVoiceStore(folder, max_voices=50)
    assert set(again.list()) == voices
    assert [voice.name for voice in again.list()] == ["A", "b", "c"]
    assert np.array_equal(again.load_reference(again.get("b")).audio, store.load_reference(store.get("b")).audio)


def test_id_is_derived_from_the_content(store, tmp_path):
    other = FileVoiceStore(tmp_path / "other", max_voices=1)
    assert add(other, "Other")[0].id == add(store, "Ada")[0].id
    assert add(store, "Eve", "Hello!")[0].id != add(store, "Ada")[0].id


@pytest.mark.parametrize("bad", [[], [np.nan], [0.1, np.inf], [[0.1, 0.2]]])
def test_invalid_recordings_are_rejected(store, bad):
    with pytest.raises(InvalidRequest) as caught:
        store.add("Ada", "", np.array(bad, np.float32), RATE_HZ)
    assert caught.value.param == "audio"


def test_another_store_on_the_same_folder_sees_changes_at_once(store, folder):
    other = FileVoiceStore(folder, max_voices=50)
    assert not other.list()
    for seed in range(20):
        voice, _ = add(store, f"v{seed}", seed=seed)
        assert other.get(voice.id) == voice
        assert len(other.list()) == 1
        other.remove(voice.id)
        assert not store.list()
    renamed = add(store, "before")[0]
    assert other.get("before") == renamed
    store.remove("before")
    add(store, "after")
    assert [voice.name for voice in other.list()] == ["after"]


def test_unchanged_folder_is_not_read_again(store, folder, monkeypatch):
    add(store)
    long_ago = time.time() - 100
    os.utime(folder, (long_ago, long_ago))
    assert len(store.list()) == 1
    monkeypatch.setattr(os, "scandir", None)
    assert len(store.list()) == 1
    assert store.get("Ada")


PROGRAM = """
import sys, pathlib, time
import numpy as np
from gateway.errors import Conflict
from gateway.voices.fs import FileVoiceStore
folder, seed, start = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
store = FileVoiceStore(folder, max_voices=1000)
time.sleep(max(0, start - time.time()))
won = 0
for index in range(20):
    audio = np.random.default_rng([seed, index, 1]).uniform(-0.5, 0.5, 1000).astype(np.float32)
    store.add(f"own {seed} {index}", "", audio, 24000)
    try:
        won += store.add(f"shared {index}", "", audio[::-1], 24000)[1]
    except Conflict:
        pass
    same = np.random.default_rng([index, 2]).uniform(-0.5, 0.5, 1000).astype(np.float32)
    won += 1000 * store.add(f"same {index}", "", same, 24000)[1]
print(won)
"""


def test_two_processes_add_concurrently(store, folder):
    start = time.time() + 1.0
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), str(seed), str(start)], stdout=subprocess.PIPE)
        for seed in (1, 2)
    ]
    won = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(won) == 20 + 20 * 1_000
    names = sorted(voice.name for voice in store.list())
    expected = [f"own {seed} {index}" for seed in (1, 2) for index in range(20)]
    expected += [f"{kind} {index}" for kind in ("shared", "same") for index in range(20)]
    assert names == sorted(expected)
    for voice in store.list():
        assert len(store.load_reference(voice).audio) == 1_000
    assert not list(folder.glob(".tmp-*"))


def test_store_is_thread_safe(store):
    errors = []

    def work(number):
        try:
            voice, _ = add(store, f"thread {number}", seed=number)
            assert store.get(voice.name) == voice
            assert np.abs(store.load_reference(voice).audio - speech(number)).max() < 1e-4
            if number % 2:
                store.remove(voice.id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(store.list()) == 8


def test_old_leftovers_of_a_crash_are_deleted(store, folder):
    add(store)
    old, fresh, file = folder / ".tmp-old", folder / ".tmp-fresh", folder / ".tmp-file"
    for leftover in (old, fresh):
        leftover.mkdir()
        (leftover / "audio.wav").write_bytes(b"half")
    file.write_bytes(b"")
    two_hours_ago = time.time() - 7_200
    os.utime(old, (two_hours_ago, two_hours_ago))
    again = FileVoiceStore(folder, max_voices=5)
    assert not old.exists()
    assert fresh.exists()
    assert len(again.list()) == 1


def test_undeletable_leftover_is_logged(store, folder, caplog, monkeypatch):
    def fail(path, missing_ok):
        raise PermissionError(path)

    file = folder / ".tmp-file"
    file.write_bytes(b"")
    os.utime(file, (0, 0))
    monkeypatch.setattr(type(file), "unlink", fail)
    assert not FileVoiceStore(folder, max_voices=5).list()
    assert ".tmp-file" in caplog.text


def test_failed_write_leaves_no_files(store, folder, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(InsufficientStorage, match="No space left on device"):
            add(store)
    assert not store.list()
    assert [path.name for path in folder.iterdir()] == [".lock"]
    assert add(store)[1]


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:50]),
    "binary": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "array": lambda path: path.write_text("[]"),
    "types": lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "rate_hz": "fast"})),
    "missing": lambda path: path.write_text(json.dumps({"id": path.parent.name, "name": "x"})),
    "other id": lambda path: path.write_text(path.read_text().replace("voice-", "voice-f")),
    "bad name": lambda path: path.write_text(path.read_text().replace("Ada", "../x")),
    "gone": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "no audio": lambda path: (path.parent / "audio.wav").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_voice_does_not_hide_others(store, folder, caplog, damage):
    voice, _ = add(store, "Ada")
    sound, _ = add(store, "Grace", seed=1)
    DAMAGE[damage](folder / voice.id / "voice.json")
    again = FileVoiceStore(folder, max_voices=5)
    with caplog.at_level(logging.WARNING):
        assert list(again.list()) == [sound]
        assert list(again.list()) == [sound]
    assert [voice.id in record.getMessage() for record in caplog.records] == [True]
    with pytest.raises(VoiceNotFound):
        again.get(voice.id)
    # Storing the same recording again repairs it, even under another name.
    repaired, created = add(again, "Ada the second")
    assert created
    assert repaired.id == voice.id
    assert len(again.list()) == 2
    assert len(again.load_reference(repaired).audio) == RATE_HZ // 2


def test_other_files_in_the_folder_are_ignored(store, folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "voice-xyz").mkdir()
    (folder / "voice-0123456789abcdef.bak").mkdir()
    add(store)
    assert len(store.list()) == 1
    assert (folder / "notes.txt").exists()


def test_damaged_audio_raises(store, folder):
    voice, _ = add(store)
    path = folder / voice.id / "audio.wav"
    path.write_bytes(path.read_bytes()[:-2] + b"\x00\x01")
    with pytest.raises(GatewayError, match="'Ada' is damaged"):
        store.load_reference(voice)


def test_audio_removed_during_the_lookup_raises(store, folder, monkeypatch):
    voice, _ = add(store)
    monkeypatch.setattr(store, "get", lambda id_or_name: voice)
    shutil.rmtree(folder / voice.id)
    with pytest.raises(VoiceNotFound, match="was removed"):
        store.audio(voice.id)


def test_reference_cache_is_bounded(store):
    voices = [store.add(f"v{seed}", "", speech(seed, 0.01), RATE_HZ)[0] for seed in range(40)]
    for voice in voices:
        store.load_reference(voice)
    assert len(store._references) == 32
    assert store.load_reference(voices[-1]) is store.load_reference(voices[-1])


def test_lock_timeout_conflicts(store, folder, monkeypatch):
    other = FileVoiceStore(folder, max_voices=5)
    monkeypatch.setattr(store._process_lock, "timeout", 0.1)
    with other._exclusive(), pytest.raises(Conflict, match="another process") as caught:
        add(store)
    assert caught.value.retry_after_s == 1
    assert add(store)[1]


def test_oversized_voice_json_does_not_hide_others(folder, store):
    kept, _ = add(store, "kept")
    for name, content in (("deep", b'{"x":' + b"[" * 100_000), ("large", b" " * 10_000_000)):
        bad = folder / f"voice-{name.encode().hex():0<16}"
        bad.mkdir()
        (bad / "voice.json").write_bytes(content)
        (bad / "audio.wav").write_bytes(b"")
    assert [voice.id for voice in store.list()] == [kept.id]


def test_renamed_voice_keeps_its_id_and_recording(store, folder):
    other = FileVoiceStore(folder, max_voices=50)
    voice, _ = add(store, "Ada", language="en")
    assert other.get("ada") == voice
    renamed = store.rename("ADA", "Grace")
    assert renamed == replace(voice, name="Grace")
    for each in (store, other, FileVoiceStore(folder, max_voices=50)):
        assert each.get("grace") == renamed
        assert each.get(voice.id) == renamed
        with pytest.raises(VoiceNotFound):
            each.get("Ada")
    assert np.array_equal(store.load_reference(renamed).audio, store.load_reference(voice).audio)
    assert add(store, "Grace")[1] is False
    assert store.rename(voice.id, "GRACE").name == "GRACE", "a voice's own name is free for it"
    assert sorted(path.name for path in (folder / voice.id).iterdir()) == ["audio.wav", "voice.json"]


def test_rename_to_a_taken_or_invalid_name_raises(store):
    add(store, "Ada", seed=1)
    voice, _ = add(store, "Grace", seed=2)
    with pytest.raises(Conflict, match="the name 'Ada' is taken: choose another name"):
        store.rename(voice.id, "ADA")
    with pytest.raises(InvalidRequest):
        store.rename(voice.id, "a/b")
    with pytest.raises(VoiceNotFound):
        store.rename("nobody", "free")
    assert store.get(voice.id) == voice
