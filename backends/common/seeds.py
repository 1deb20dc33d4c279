"""Seeds for the chunks of a text."""

from __future__ import annotations

import hashlib


def piece_seed(seed: int, index: int) -> int:
    """The job's seed for the first chunk, a hash of seed and index for the others."""
    if index == 0:
        return seed
    digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
