"""Untrusted ``.npy`` files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from backends.npy import read_npy

CODES = np.arange(4 * 30).reshape(4, 30)


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(shape: str, dtype: str = "'<i8'") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, codes=CODES)
    return file.getvalue()


@pytest.mark.parametrize(
    "array", [CODES, np.asfortranarray(CODES), CODES.astype(">i4"), CODES.astype("u1"), CODES[0], CODES[:, :0]]
)
def test_array_is_read_in_any_memory_layout(array: Any) -> None:
    np.testing.assert_array_equal(read_npy(saved(array)), array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"no array at all",
        archive(),
        saved(np.array([[{}], [{}]], dtype=object)),
        saved(CODES)[:-1],
        saved(CODES) + b"\0",
        header("(4, 1000000000000)"),
        header("(4, -30)"),
        header("(4, 30)", "'<M8[s]'"),
        header("(4, True)"),
        header("__import__('os').getpid()"),
        header("(" * 500 + ")" * 500),
        b"\x93NUMPY\x03\x00" + saved(CODES)[8:],
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b" " * 100,
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 0xFFFF,
    ],
)
def test_malformed_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_npy(content)


@pytest.mark.parametrize(
    "text",
    [
        b"{" * 900,
        b"(" * 900,
        b"-" * 900,
        b"'",
        b"{[]: 1}",
        b"1\n 2\n3",
        b"{1: 2, 'a': 3}",
        b"{'descr': ',04', 'fortran_order': False, 'shape': ()}",
        b"{'descr': {'a': 1}, 'fortran_order': False, 'shape': ()}",
        b"{'descr': [('a',)], 'fortran_order': False, 'shape': ()}",
        b"{'descr': '|O', 'fortran_order': False, 'shape': ()}",
        b"{'descr': '|V0', 'fortran_order': False, 'shape': (3,)}",
        b"{'descr': '<i4', 'fortran_order': False, 'shape': (-1, -1)}",
        b"{'descr': '<i4', 'fortran_order': False, 'shape': (0, 99999999999999999999)}",
    ],
)
def test_malformed_header_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - numpy words some of them
        read_npy(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)


def test_damaged_headers_raise_no_other_errors() -> None:
    good = np.frombuffer(saved(CODES), np.uint8)
    characters = np.frombuffer(b"'{}():,[]0123456789LTrueFalse<>|=ifOVUSMm\\\"#\n\0-+*.je", np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(2_000):
        damaged = good.copy()
        damaged[rng.integers(6, 70, 3)] = rng.choice(characters, 3)
        try:
            read_npy(damaged.tobytes())
        except ValueError:
            refused += 1
    assert refused > 1_000
