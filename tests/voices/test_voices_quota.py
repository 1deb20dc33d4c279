"""Limits of the voice store count what is on the disk, and damaged voices can be seen and removed."""

import os

import pytest
from support.voice_samples import add

from gateway.errors import Conflict, VoiceNotFound
from gateway.voices.fs import FileVoiceStore

CLIP_BYTES = 44 + 24_000  # half a second of 16 bits at 24 kHz


def damage(folder, voice, content=b"{"):
    (folder / voice.id / "voice.json").write_bytes(content)


def test_damaged_voice_counts_and_is_listed_with_its_reason_until_it_is_removed(folder):
    store = FileVoiceStore(folder, max_voices=2)
    bad, _ = add(store, "bad")
    good, _ = add(store, "good", seed=1)
    damage(folder, bad, b'{"x":"' + b"y" * 100_000)
    store = FileVoiceStore(folder, max_voices=2)
    (damaged,) = store.damaged()
    assert (damaged.id, damaged.name, damaged.error) == (bad.id, bad.id, "voice.json is larger than 65536 bytes")
    assert list(store.list()) == [good]
    with pytest.raises(Conflict, match=r"the store has 2 voices, 1 of them damaged \(limit: 2\): remove one first"):
        add(store, "new", seed=2)
    with pytest.raises(
        VoiceNotFound, match=r"is damaged \(voice.json is larger than .*\): remove it, or store it again"
    ):
        store.get(bad.id)
    assert store.remove(bad.id) == damaged
    assert store.damaged() == []
    assert not (folder / bad.id).exists()
    assert add(store, "new", seed=2)[1]


def test_damaged_voice_can_be_repaired_in_a_full_store(folder):
    store = FileVoiceStore(folder, max_voices=1, max_bytes=CLIP_BYTES + 1_000)
    bad, _ = add(store, "bad")
    damage(folder, bad)
    assert add(store, "good") == (store.get("good"), True)
    assert store.damaged() == []


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "empty folder"])
def test_whatever_has_the_name_of_a_voice_counts_and_can_be_removed(folder, tmp_path, kind):
    store = FileVoiceStore(folder, max_voices=1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    entry = folder / "voice-0123456789abcdef"
    if kind == "file":
        entry.write_bytes(b"x")
    elif "link" in kind:
        entry.symlink_to(elsewhere if kind == "link" else tmp_path / "missing")
    else:
        entry.mkdir()
    with pytest.raises(Conflict, match="1 of them damaged"):
        add(store)
    store.remove(entry.name)
    assert not os.path.lexists(entry)
    assert elsewhere.exists()
    assert [path.name for path in folder.iterdir()] == [".lock"]
    assert add(store)[1]


def test_byte_quota_counts_every_file(folder):
    store = FileVoiceStore(folder, max_voices=50, max_bytes=3 * CLIP_BYTES)
    first, _ = add(store, "first")
    second, _ = add(store, "second", seed=1)
    with pytest.raises(Conflict, match=r"the stored voices have \d+ bytes and this one \d+ \(limit: 72132 in all\)"):
        add(store, "third", seed=2)
    assert add(store, "first") == (first, False), "an upload that is stored already needs no room"
    damage(folder, second)
    leftover = folder / ".tmp-leftover"
    leftover.mkdir()
    (leftover / "audio.wav").write_bytes(bytes(CLIP_BYTES))
    store.remove(first.id)
    with pytest.raises(Conflict, match="this one"):
        add(store, "third", seed=2)
    os.utime(leftover, (0, 0))
    again = FileVoiceStore(folder, max_voices=50, max_bytes=3 * CLIP_BYTES)
    assert add(again, "third", seed=2)[1]
