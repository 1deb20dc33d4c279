"""Parser of untrusted ``.npy`` files. Executes nothing, and checks the header against the data."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_HEADER_BYTES = 1000
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(data: bytes) -> npt.NDArray[Any]:
    """Parse a file into a read-only array that shares its memory.

    :raises ValueError: if it is not a ``.npy`` file, contains objects, or its length contradicts its header.
    """
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise ValueError(f"unsupported .npy version {version}; supported: 1.0 and 2.0")
    try:
        shape, fortran_order, dtype = _READERS[version](file, max_header_size=MAX_HEADER_BYTES)
    except Exception as error:  # noqa: BLE001 - numpy evaluates a Python literal, which raises TokenError, TypeError, …
        raise ValueError(f"its header is malformed: {error}") from None
    if dtype.hasobject:
        raise ValueError("it contains objects; only numbers are supported")
    found, expected = len(data) - file.tell(), math.prod(shape) * dtype.itemsize
    if found != expected or min(shape, default=1) < 0:
        raise ValueError(f"it has {found} bytes of data, but its header says {expected}")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if fortran_order else "C")
