"""Checks of a running container from inside: ``docker exec CONTAINER voxgate doctor --image``."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.findings import Finding
from gateway.cli.pull import size
from gateway.settings import Settings
from gateway.settings_sources import SAGEMAKER_CONFIG

DRIVER_VERSION = Path("/proc/driver/nvidia/version")
MIN_FREE_BYTES = 10**9
PING_LIMIT_S = 2.0  # SageMaker's, for one response


def container_findings(settings: Settings, torch_cuda: str | None, model_dir: Path | None) -> Iterator[Finding]:
    """Check the user, writable folders, the GPU's driver, the gateway's health and SageMaker's folder.

    :param torch_cuda: the CUDA version that the installed PyTorch was built for, e.g. ``13.0``; None without one.
    :param model_dir: the folder of SageMaker's model archive; None outside of SageMaker.
    """
    yield _user(needs_root=model_dir is not None)
    yield _root_file_system()
    yield _folder("data", settings.data_dir, "voices and dictionaries cannot be stored", MIN_FREE_BYTES)
    yield _folder("temporary files", Path(tempfile.gettempdir()), "workers cannot open their sockets")
    yield driver(torch_cuda, _driver_cuda(), _driver_release())
    yield from _health(settings, with_ping=model_dir is not None)
    if model_dir is not None:
        yield _model_archive(model_dir)


def _user(needs_root: bool) -> Finding:
    state = f"uid {os.getuid()}, gid {os.getgid()}, home folder {os.path.expanduser('~')}"
    if needs_root and os.getuid():
        return Finding(False, "user", f"{state}: SageMaker runs containers as root; build with --target sagemaker")
    return Finding(None, "user", state)


def _root_file_system() -> Finding:
    read_only = os.statvfs("/").f_flag & os.ST_RDONLY
    return Finding(None, "root file system", "read-only" if read_only else "writable")


def _folder(name: str, folder: Path, consequence: str, min_free_bytes: int = 0) -> Finding:
    subject = f"{name} {folder}"
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        fix = f"mount a volume that uid {os.getuid()} can write to"
        return Finding(False, subject, f"not writable ({error.strerror}): {consequence}; {fix}")
    return Finding(free >= min_free_bytes, subject, f"writable, {size(free)} free")


def driver(torch_cuda: str | None, driver_cuda: tuple[int, int] | None, release: str) -> Finding:
    """Compare the CUDA versions of PyTorch and of the GPU's driver. Within a major version any driver works."""
    if driver_cuda is None:
        return Finding(None, "GPU driver", "none in this container: engines run on the CPU (docker run --gpus all)")
    state = f"release {release}, CUDA {driver_cuda[0]}.{driver_cuda[1]}"
    if torch_cuda is None:
        return Finding(None, "GPU driver", f"{state}; PyTorch for CUDA is not installed")
    state = f"{state}; PyTorch needs {torch_cuda}"
    if driver_cuda[0] < int(torch_cuda.split(".")[0]):
        return Finding(False, "GPU driver", f"{state}: update the driver, or build with TORCH_INDEX for an older CUDA")
    return Finding(True, "GPU driver", state)


def _driver_cuda() -> tuple[int, int] | None:
    """Return the latest CUDA version that the driver supports, or None without a driver."""
    version = ctypes.c_int()
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version)):
            return None
    except (OSError, AttributeError):
        return None
    return version.value // 1000, version.value % 1000 // 10


def _driver_release() -> str:
    try:
        found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", DRIVER_VERSION.read_text())
    except OSError:
        found = None
    return found[0] if found else "unknown"


def _health(settings: Settings, with_ping: bool) -> Iterator[Finding]:
    import httpx  # takes 0.25 s to import

    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - not bound
    url = f"http://{host}:{settings.port}"
    with httpx.Client(base_url=url, timeout=PING_LIMIT_S, trust_env=False) as http:
        for path in ("/health/live", "/health/ready", *(("/ping",) if with_ping else ())):
            try:
                answer = http.get(path)
            except httpx.HTTPError as error:
                yield Finding(False, f"{url}{path}", f"does not answer: {error}")
                return
            body = f", {answer.text}" if answer.content and path == "/health/ready" else ""
            milliseconds = answer.elapsed.total_seconds() * 1000
            yield Finding(answer.is_success, f"{url}{path}", f"{answer.status_code} in {milliseconds:.0f} ms{body}")


def _model_archive(folder: Path) -> Finding:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return Finding(None, f"model archive {folder}", f"none ({error.strerror}): the shipped configuration is used")
    config = SAGEMAKER_CONFIG if SAGEMAKER_CONFIG in names else "the shipped configs/sagemaker.yaml"
    return Finding(True, f"model archive {folder}", f"{', '.join(names) or 'empty'}; configuration: {config}")
