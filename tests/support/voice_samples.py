"""Recordings to store."""

import numpy as np

RATE_HZ = 24_000


def speech(seed=0, seconds=0.5):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE_HZ)).astype(np.float32)


def add(store, name="Ada", transcript="Hello.", seed=0, **more):
    return store.add(name, transcript, speech(seed), RATE_HZ, **more)
