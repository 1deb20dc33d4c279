"""``voxgate doctor``: what of this machine and configuration stands in the way of serving."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from backends.errors import LoadError
from backends.hub import Hub, HubSettings
from gateway import __version__
from gateway.checkpoints import Catalogue, references_in
from gateway.cli.console import explained, fail, out
from gateway.cli.options import ConfigOption, settings_or_exit
from gateway.cli.pull import hub_settings, size
from gateway.settings import Settings

PROBE_TIMEOUT_S = 120.0  # importing torch from a cold disk takes its time

# Run by the interpreter that would run the worker: the gateway's own process must stay free of torch.
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


class Finding(NamedTuple):
    """One line of the report; ``ok`` is None for what is neither good nor bad."""

    ok: bool | None
    subject: str
    what: str


_MARKS = {True: Text("ok", "green"), False: Text("!!", "bold red"), None: Text("")}


def doctor(config: ConfigOption = None) -> None:
    """Look at endpoints, cache, disk, devices, codecs and licences; exit status 1 if something stands in the way."""
    settings = settings_or_exit(config)
    with explained():
        catalogue = Catalogue.load()
    try:
        hub = hub_settings(settings)
    except LoadError as error:
        raise fail(str(error)) from None
    table = Table("", "what", "state")
    bad = 0
    for finding in _findings(settings, hub, catalogue):
        bad += finding.ok is False
        table.add_row(_MARKS[finding.ok], finding.subject, finding.what)
    out.print(table)
    if bad:
        raise fail(f"{bad} of these stand in the way")


def _findings(settings: Settings, hub: HubSettings, catalogue: Catalogue) -> Iterator[Finding]:
    yield Finding(None, "voxgate", f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    yield from _endpoints(settings, hub)
    yield _cache(hub)
    for python in dict.fromkeys(engine.python or sys.executable for engine in settings.engines.values()):
        yield _devices(python)
    yield _codecs()
    for name, engine in settings.engines.items():
        yield from _checkpoints(name, list(references_in(engine.model)), hub, catalogue)


def _endpoints(settings: Settings, hub: HubSettings) -> Iterator[Finding]:
    if hub.offline:
        yield Finding(None, "hub", "offline: the cache only")
        return
    # Nothing is amiss where no engine needs a hub, or where the next endpoint answers.
    needed = any(list(references_in(engine.model)) for engine in settings.engines.values())
    probes = [Hub(hub).probe(endpoint) for endpoint in hub.endpoints]
    stuck = needed and not any(probe.reachable for probe in probes)
    for probe in probes:
        if probe.reachable:
            took = f"answers in {(probe.latency_s or 0) * 1000:.0f} ms"
            yield Finding(True, probe.url, f"{took}; {probe.reason}" if probe.reason else took)
        else:
            yield Finding(False if stuck else None, probe.url, probe.reason)


def _cache(hub: HubSettings) -> Finding:
    place = next(folder for folder in (hub.cache_dir, *hub.cache_dir.parents) if folder.exists())
    try:
        used = sum(path.stat().st_size for path in hub.cache_dir.glob("*/blobs/*") if path.is_file())
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding(False, f"cache {hub.cache_dir}", f"cannot be read: {error.strerror}")
    return Finding(free > 10**9, f"cache {hub.cache_dir}", f"{size(used)} used, {size(free)} free on the disk")


def _devices(python: str) -> Finding:
    try:
        run = subprocess.run(
            [python, "-P", "-c", _DEVICES], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=True
        )
        found = json.loads(run.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return Finding(False, f"interpreter {python}", f"cannot be used: {error}")
    if found["torch"] is None:
        return Finding(None, f"interpreter {python}", "no torch: engines that need it cannot run here")
    gpus = ", ".join(found["gpus"]) or "no GPU"
    return Finding(True, f"interpreter {python}", f"torch {found['torch']} (CUDA {found['cuda']}), {gpus}")


def _codecs() -> Finding:
    from av.codec.codec import codecs_available

    from gateway.audio.formats import FORMATS

    lacking = sorted({fmt.codec for fmt in FORMATS.values()} - set(codecs_available))
    if lacking:
        return Finding(False, "codecs", f"PyAV's FFmpeg lacks {', '.join(lacking)}")
    return Finding(True, "codecs", f"all of {', '.join(FORMATS)}")


def _checkpoints(name: str, references: list[str], hub: HubSettings, catalogue: Catalogue) -> Iterator[Finding]:
    if not references:
        yield Finding(True, f"engine {name}", "needs no checkpoint from a hub")
    for reference in references:
        try:
            files = Hub(replace(hub, offline=True)).plan(reference)
            cached = "cached" if all(file.cached for file in files) else "not completely cached"
        except LoadError:
            cached = "not cached"
        licence = catalogue.licence(reference)
        if licence is None:
            terms, ok = "licence unknown: read it on the repository's page", None
        elif licence.commercial_use:
            terms, ok = licence.licence, True
        else:
            terms, ok = f"{licence.licence}: not for commercial use; read it before you serve it", None
        yield Finding(ok, f"engine {name}: {reference}", f"{cached}; {terms}")
