import pytest

from gateway.voices.fs import FileVoiceStore


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "voices"


@pytest.fixture
def store(folder):
    return FileVoiceStore(folder, max_voices=50)
