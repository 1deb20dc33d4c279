"""Damaged bytes for Hypothesis: a good file with edits, from which it finds the smallest one that fails."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_TELLING = (
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b'"',
    b"{",
    b"[",
    b"-",
)
_INSERTED = st.binary(max_size=4) | st.sampled_from(_TELLING)


@st.composite
def _damaged(draw: DrawFn, originals: Sequence[bytes], head_bytes: int, max_edits: int) -> bytes:
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, max_edits))):
        at = draw(st.integers(0, min(len(data), head_bytes)))
        data[at : at + draw(st.integers(0, 4))] = draw(_INSERTED)
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 7)) == 0 else data)


def damaged(originals: Sequence[bytes], head_bytes: int = 2**30, max_edits: int = 6) -> SearchStrategy[bytes]:
    """The originals with up to ``max_edits`` edits, sometimes cut off.

    :param head_bytes: the edits are in the first of them.
    """
    return _damaged(originals, head_bytes, max_edits)


def json_values(leaves: SearchStrategy[object], names: Sequence[str]) -> SearchStrategy[object]:
    """Nested lists and objects of such leaves, with these field names and others."""
    keys = st.sampled_from(names) | st.text(max_size=4)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=12
    )
