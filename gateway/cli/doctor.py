"""``voxgate doctor``: check the configuration and this machine for problems."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Annotated, NamedTuple

import typer
from msgspec.structs import replace

from backends.errors import LoadError
from backends.hub import BadHubSettings, Hub, HubSettings, MissingOffline, NotFound
from gateway import __version__
from gateway.checkpoints import Catalog, references_in
from gateway.cli.console import err, exit_on_error, fail, out
from gateway.cli.container import container_findings
from gateway.cli.findings import Finding, Report
from gateway.cli.options import MODEL_DIR, ConfigOption, SageMakerOption, settings_or_exit
from gateway.cli.pull import hub_settings, license_terms, size
from gateway.settings import EngineSettings, Settings

PROBE_TIMEOUT_S = 120.0  # importing torch from a cold disk is slow

# The worker's interpreter runs both programs, because this process must not import torch.
_DEVICES = """
import json
try:
    import torch
except ImportError:
    print(json.dumps({"torch": None}))
else:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "gpus": gpus}))
"""

# Builds the engine as its worker would, without its weights: the plugin is installed and accepts its configuration.
_BUILD = """
import json, sys
from backends.base import EngineConfig
from backends.registry import Registry
given = json.load(sys.stdin)
Registry().engine_class(given.pop("backend"))(EngineConfig(**given))
"""


class DoctorError(Exception):
    """A program could not run under an interpreter; the message is the reason."""


class Devices(NamedTuple):
    """The finding about an interpreter's PyTorch, its number of GPUs, and the CUDA version that it was built for."""

    finding: Finding
    gpus: int = 0
    cuda: str | None = None


def doctor(
    config: ConfigOption = None,
    image: Annotated[
        bool,
        typer.Option("--image", help="In a container: also check the user, folders, GPU driver, health and /opt/ml."),
    ] = False,
    sagemaker: SageMakerOption = False,
) -> None:
    """Check endpoints, cache, disk, devices, codecs and licenses. Exit status 1 if there are problems."""
    model_dir = MODEL_DIR if sagemaker else None
    settings = settings_or_exit(config, model_dir)
    with exit_on_error():
        catalog = Catalog.load()
    report = Report()
    try:
        with err.status("checking"):
            for finding in _findings(settings, hub_settings(settings), catalog):
                report.add(finding)
            if image:
                for finding in container_findings(settings, _devices(sys.executable).cuda, model_dir):
                    report.add(finding)
    except BadHubSettings as error:
        raise fail(str(error), 2) from None
    out.print(report.table)
    if report.problems:
        raise fail(f"problems found: {report.problems}, marked with !!")


def _findings(settings: Settings, hub: HubSettings, catalog: Catalog) -> Iterator[Finding]:
    yield Finding(None, "voxgate", f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    yield from _endpoints(settings, hub)
    yield _cache(hub)
    gpus: dict[str, int] = {}
    for python in dict.fromkeys(engine.python or sys.executable for engine in settings.engines.values()):
        devices = _devices(python)
        gpus[python] = devices.gpus
        yield devices.finding
    yield _codecs()
    for name, engine in settings.engines.items():
        yield _engine(name, engine, settings, gpus[engine.python or sys.executable])
        yield from _checkpoints(name, list(references_in(engine.model)), hub, catalog)


def _endpoints(settings: Settings, hub: HubSettings) -> Iterator[Finding]:
    if hub.offline:
        yield Finding(None, "hub", "offline: only the cache is used")
        return
    # An unreachable endpoint is not a problem if no engine needs a hub, or if another endpoint is reachable.
    needed = any(list(references_in(engine.model)) for engine in settings.engines.values())
    probes = [Hub(hub).probe(endpoint) for endpoint in hub.endpoints]
    unavailable = needed and not any(probe.reachable for probe in probes)
    for probe in probes:
        if probe.reachable:
            latency = f"answers in {(probe.latency_s or 0) * 1000:.0f} ms"
            # A reason means that the answer may come from something else, such as a login page.
            yield Finding(
                None if probe.reason else True, probe.url, f"{latency}; {probe.reason}" if probe.reason else latency
            )
        else:
            yield Finding(False if unavailable else None, probe.url, probe.reason)


def _cache(hub: HubSettings) -> Finding:
    existing = next(folder for folder in (hub.cache_dir, *hub.cache_dir.parents) if folder.exists())
    try:
        used = sum(path.stat().st_size for path in hub.cache_dir.glob("*/blobs/*") if path.is_file())
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding(False, f"cache {hub.cache_dir}", f"cannot be read: {error.strerror}")
    return Finding(free > 10**9, f"cache {hub.cache_dir}", f"{size(used)} used, {size(free)} free on the disk")


def _run(python: str, code: str, engine: EngineSettings | None = None, stdin: str = "") -> str:
    """Run a program under an interpreter and return the last line that it prints.

    :raises DoctorError: if it cannot be run, or fails; the message is its last line on stderr.
    """
    environment = {**os.environ, **(engine.env if engine else {})}
    command = [python, "-P", "-c", code]
    try:
        run = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DoctorError(f"cannot be run: {error}") from None
    if run.returncode:
        raise DoctorError((run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1])
    return (run.stdout.strip().splitlines() or [""])[-1]


@cache
def _devices(python: str) -> Devices:
    """Report an interpreter's devices."""
    subject = f"interpreter {python}"
    try:
        found = json.loads(_run(python, _DEVICES))
    except (DoctorError, ValueError) as error:
        return Devices(Finding(False, subject, str(error)))
    if found["torch"] is None:
        return Devices(Finding(None, subject, "torch is not installed: engines that need it cannot run here"))
    gpus = ", ".join(found["gpus"]) or "no GPU"
    state = f"torch {found['torch']} (CUDA {found['cuda']}), {gpus}"
    return Devices(Finding(True, subject, state), len(found["gpus"]), found["cuda"])


def _engine(name: str, engine: EngineSettings, settings: Settings, gpus: int) -> Finding:
    """Check that an engine's plugin is installed, accepts its configuration, and has the configured device."""
    subject = f"engine {name}"
    if engine.device.startswith("cuda") and not gpus:
        return Finding(False, subject, f"device {engine.device} is configured, but no GPU is available")
    config = {
        "backend": engine.backend,
        "name": name,
        "device": engine.device,
        "dtype": engine.dtype,
        "threads": engine.threads,
        "model": engine.model,
        "defaults": engine.defaults,
        "hub": settings.hub,
    }
    try:
        _run(engine.python or sys.executable, _BUILD, engine, json.dumps(config))
    except DoctorError as error:
        return Finding(False, subject, str(error))
    return Finding(True, subject, f"plugin {engine.backend} accepts its configuration")


def _codecs() -> Finding:
    from av.codec.codec import codecs_available

    from gateway.audio.formats import FORMATS

    missing = sorted({fmt.codec for fmt in FORMATS.values()} - set(codecs_available))
    if missing:
        return Finding(False, "codecs", f"PyAV's FFmpeg lacks {', '.join(missing)}")
    return Finding(True, "codecs", f"all available: {', '.join(FORMATS)}")


def _checkpoints(name: str, references: list[str], hub: HubSettings, catalog: Catalog) -> Iterator[Finding]:
    for reference in references:
        subject = f"engine {name}: {reference}"
        try:
            files = Hub(replace(hub, offline=True)).plan(reference)
            state = "cached" if all(file.cached for file in files) else "not completely cached"
        except (MissingOffline, NotFound):
            state = "not cached"
        except LoadError as error:
            yield Finding(False, subject, str(error))
            continue
        license = catalog.license(reference)
        ok = True if license and license.commercial_use else None
        yield Finding(ok, subject, f"{state}; {license_terms(reference, catalog)}")
