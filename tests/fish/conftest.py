"""Fixtures for tests of the Fish-Speech engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch

from backends.fish.v0_2.text.g2p import zh
from backends.fish.v0_2.text.phonemizer import Phonemizer


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: on shared cores, threads of small convolutions wait for each other most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def phonemizer() -> Phonemizer:
    """A phonemizer with all dictionaries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zh, "_wetext", lambda: None)  # cn2an normalizes numbers, whatever else is installed
        loaded = Phonemizer()
        for language in ("zh", "jp", "en"):
            loaded.warm_up(language)
    return loaded


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Hide all packages that phones need, as if they were not installed."""
    for name in ("jieba", "jieba.posseg", "pypinyin", "cn2an", "tn", "pyopenjtalk"):
        monkeypatch.setitem(sys.modules, name, None)
    return monkeypatch
