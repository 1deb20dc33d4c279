"""Parser of untrusted ``.npy`` files."""

import io

import numpy as np
import pytest

from backends.npy import read_npy


def npy(header: bytes, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize("order", ["C", "F"])
def test_array_is_read(order: str) -> None:
    array = np.asarray(np.arange(24, dtype=np.int32).reshape(8, 3), order=order)
    file = io.BytesIO()
    np.save(file, array)
    assert np.array_equal(read_npy(file.getvalue()), array)


@pytest.mark.parametrize(
    "header",
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
def test_malformed_header_is_a_value_error(header: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - numpy words some of them
        read_npy(npy(header))


def test_damaged_headers_raise_no_other_errors() -> None:
    file = io.BytesIO()
    np.save(file, np.arange(24, dtype=np.int32).reshape(8, 3))
    good = np.frombuffer(file.getvalue(), np.uint8)
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
