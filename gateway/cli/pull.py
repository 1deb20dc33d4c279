"""``voxgate pull``: fetch checkpoints ahead of their use, or verify cached ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from msgspec.structs import replace
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table

from backends.errors import LoadError
from backends.hub import BadHubSettings, CheckReport, Endpoint, Hub, HubSettings, MalformedReference
from gateway.checkpoints import Catalog, Download
from gateway.cli.console import err, exit_on_error, fail, out
from gateway.cli.options import ConfigOption, settings_or_exit
from gateway.settings import Settings

WRONG_USAGE = 2


def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Engines, sets of configs/checkpoints.yaml, or references (hf://owner/repo/path@revision)."
        ),
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(
            help="Use this endpoint; repeat for several, in order of preference. It receives your token, if any."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the files to fetch with their sizes, and fetch nothing.")
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Fetch a branch's or tag's current commit, even if an older one is cached.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Verify the hashes of cached files, without network access.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Fetch checkpoints into the Hugging Face cache. Resumes transfers, uses mirrors, verifies and repairs files."""
    if check and (dry_run or update):
        raise fail("--check excludes --dry-run and --update", WRONG_USAGE)
    if not (check or names):
        raise fail("missing name: give an engine, a set or a reference; see voxgate pull --help", WRONG_USAGE)
    settings = settings_or_exit(config)
    with _exit_on_hub_error():
        hub = Hub(hub_settings(settings, endpoint))
        with exit_on_error(WRONG_USAGE):
            catalog = Catalog.load()
            downloads = [item for name in names or () for item in catalog.downloads(name, settings.engines)]
        if check:
            _check(hub, downloads)
        elif dry_run:
            _plan(hub, downloads, catalog, update)
        else:
            _fetch(hub, downloads, catalog, update)


def hub_settings(settings: Settings, endpoints: list[str] | None = None) -> HubSettings:
    """Return the configured hub settings, with the endpoints from the command line if there are any.

    :raises BadHubSettings: if a setting is invalid; names it.
    """
    hub = HubSettings.from_environment(settings.hub)
    if not endpoints:
        return hub
    urls = [url for given in endpoints for url in given.split(",") if url.strip()]
    return replace(hub, endpoints=tuple(Endpoint.parse(url, "--endpoint", send_token=True) for url in urls))


@contextmanager
def _exit_on_hub_error() -> Iterator[None]:
    """Turn the hub's errors into a message and an exit status."""
    try:
        yield
    except (BadHubSettings, MalformedReference) as error:
        raise fail(str(error), WRONG_USAGE) from None
    except LoadError as error:
        raise fail(str(error)) from None


def license_terms(reference: str, catalog: Catalog) -> str:
    """Describe the license of a reference's repository."""
    license = catalog.license(reference)
    if license is None:
        return "license unknown: see the repository's page"
    if license.commercial_use:
        return license.license
    return f"{license.license}: not for commercial use; read it before you serve the model"


def _fetch(hub: Hub, downloads: list[Download], catalog: Catalog, update: bool) -> None:
    if not downloads:
        err.print("nothing to fetch: the files are part of the engine's package")
    for item in downloads:
        err.print(f"{item.reference} ({license_terms(item.reference, catalog)})", soft_wrap=True)
        with _bar() as show:
            fetched = hub.fetch(item.reference, show, allow=item.allow, verify_cached=True, update=update)
        if not item.pinned:
            err.print(f"  branch or tag, at commit {fetched.commit}", soft_wrap=True)
        out.print(str(fetched.path), soft_wrap=True)


def _plan(hub: Hub, downloads: list[Download], catalog: Catalog, update: bool) -> None:
    table = Table("file", "size", "state")
    missing_bytes = 0
    for item in downloads:
        err.print(f"{item.reference} ({license_terms(item.reference, catalog)})", soft_wrap=True)
        for file in hub.plan(item.reference, allow=item.allow, update=update):
            state = (
                "cached" if file.cached else f"{size(file.partial_bytes)} cached" if file.partial_bytes else "to fetch"
            )
            missing_bytes += 0 if file.cached else file.size_bytes - file.partial_bytes
            table.add_row(file.path, size(file.size_bytes), state)
    out.print(table)
    out.print(f"{size(missing_bytes)} to fetch")


def _check(hub: Hub, downloads: list[Download]) -> None:
    with _bar() as show:
        if downloads:
            reports = [hub.check(item.reference, show, item.allow) for item in downloads]
        else:
            reports = [hub.check(progress=show)]
    for report in reports:
        _print_report(report)
    if damaged := sum(len(report.problems) for report in reports):
        raise fail(f"{damaged} files are damaged or missing: fetch them again with voxgate pull")


def _print_report(report: CheckReport) -> None:
    out.print(f"{report.files} files verified, {size(report.size_bytes)}")
    for problem in report.problems:
        err.print(f"damaged or missing: {problem}", soft_wrap=True)
    if report.unverifiable:
        out.print(f"{len(report.unverifiable)} files have no hash and cannot be verified")
    if report.unfinished:
        out.print(f"{len(report.unfinished)} transfers are unfinished; voxgate pull resumes them")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a progress bar with amount, speed and remaining time in 80 columns, if stderr is a terminal."""
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TransferSpeedColumn(table_column=Column(no_wrap=True, min_width=9)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=err, transient=True, expand=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("connecting", total=None)
        last_stage = ""

        def show(stage: str, done: int, total: int | None) -> None:
            nonlocal last_stage
            if stage != last_stage and stage.split(" ", 1)[0] != last_stage.split(" ", 1)[0]:
                bar.reset(task)  # another kind of work has another speed
            last_stage = stage
            verb, _, path = stage.rpartition(" ")
            name = f"{verb.split(' ', 1)[0]} {path.rsplit('/', 1)[-1]}" if verb else stage
            bar.update(task, description=name, completed=done, total=total)

        yield show


def size(size_bytes: int) -> str:
    """Format a number of bytes, e.g. ``1.3 GB``."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
