"""Images for the tests: every target of the Dockerfile, built once with the extras in ``EXTRAS``."""

from __future__ import annotations

import os
import shutil

import pytest
from support.podman import BASE, RUN, STATE, build, make_base, podman

MIN_FREE_BYTES = {"lite": 4 * 10**9}
DEFAULT_EXTRAS = "lite,f5,fish"


@pytest.fixture(scope="session")
def extras() -> str:
    return os.environ.get("EXTRAS", DEFAULT_EXTRAS)


@pytest.fixture(scope="session")
def images(extras: str) -> dict[str, str]:
    """The tag of each target's image."""
    STATE.mkdir(parents=True, exist_ok=True)
    needed, free = MIN_FREE_BYTES.get(extras, 20 * 10**9), shutil.disk_usage(STATE).free
    assert free > needed, f"{STATE}: {free} bytes free, {needed} needed"
    try:
        make_base()
        podman("run", "--rm", *RUN, BASE, "true")
    except AssertionError as error:
        pytest.skip(f"this machine cannot run containers: {error}")
    podman("image", "prune", "--force", "--filter=until=24h")  # layers of earlier builds
    labels = {"VERSION": "9.8.7", "REVISION": "abc123", "CREATED": "2026-01-02T03:04:05Z"}
    form = extras.replace(",", "-")
    return {
        name: build(name, f"voxgate-{name}:{form}", EXTRAS=extras, **labels) for name in ("cpu", "sagemaker", "cuda")
    }
