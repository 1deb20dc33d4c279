"""``voxgate pull``: fetch checkpoints before they are needed, or verify those that are here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from backends.errors import LoadError
from backends.hub import Endpoint, Hub, HubSettings
from gateway.checkpoints import Catalogue, Wanted
from gateway.cli.console import err, explained, fail, out
from gateway.cli.options import ConfigOption, settings_or_exit
from gateway.settings import Settings


def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Engines, sets of configs/checkpoints.yaml, or references (hf://owner/repo/path@revision)."
        ),
    ] = None,
    endpoint: Annotated[
        list[str] | None, typer.Option(help="Ask this endpoint; may be given several times, in order.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and how much.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Verify what is cached by its hashes; fetches nothing.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Fetch checkpoints into the Hugging Face cache, through mirrors, resuming and verifying."""
    settings = settings_or_exit(config)
    with _told():
        hub = Hub(hub_settings(settings, endpoint))
        with explained():
            catalogue = Catalogue.load()
            wanted = [item for name in names or () for item in catalogue.wanted(name, settings.engines)]
        if check:
            _check(hub, wanted)
        elif not names:
            raise fail("name what to fetch: an engine, a set or a reference; see voxgate pull --help", 2)
        elif dry_run:
            _plan(hub, wanted, catalogue)
        else:
            _fetch(hub, wanted, catalogue)


def hub_settings(settings: Settings, endpoints: list[str] | None = None) -> HubSettings:
    """The hub as it is configured now, or with the endpoints given on the command line."""
    hub = HubSettings.from_environment(settings.hub)
    if not endpoints:
        return hub
    named = tuple(Endpoint.parse(url, "--endpoint", send_token=True) for url in endpoints)
    return replace(hub, endpoints=named)


@contextmanager
def _told() -> Iterator[None]:
    """Turn the hub's errors into a message and exit status 1."""
    try:
        yield
    except LoadError as error:
        raise fail(str(error)) from None


def _terms(item: Wanted, catalogue: Catalogue) -> str:
    licence = catalogue.licence(item.reference)
    if licence is None:
        return "licence unknown: read it on the repository's page"
    return f"{licence.licence}{'' if licence.commercial_use else ', no commercial use'}"


def _fetch(hub: Hub, wanted: list[Wanted], catalogue: Catalogue) -> None:
    if not wanted:
        err.print("nothing to fetch: what was named comes with its package")
    for item in wanted:
        with _download_bar() as bar:
            task = bar.add_task(item.reference, total=None)

            def show(stage: str, done: int, total: int | None, bar: Progress = bar, task: Any = task) -> None:
                bar.update(task, description=stage, completed=done, total=total)

            fetched = hub.fetch(item.reference, show, allow=item.allow)
        err.print(f"{item.reference} ({_terms(item, catalogue)})", soft_wrap=True)
        if not item.pinned:
            err.print(f"  not pinned; it is now at commit {fetched.commit}", soft_wrap=True)
        out.print(str(fetched.path), soft_wrap=True)


def _plan(hub: Hub, wanted: list[Wanted], catalogue: Catalogue) -> None:
    table = Table("file", "size", "state")
    missing_bytes = 0
    for item in wanted:
        err.print(f"{item.reference} ({_terms(item, catalogue)})", soft_wrap=True)
        for file in hub.plan(item.reference, allow=item.allow):
            state = (
                "cached" if file.cached else f"{size(file.partial_bytes)} here" if file.partial_bytes else "to fetch"
            )
            missing_bytes += 0 if file.cached else file.size_bytes - file.partial_bytes
            table.add_row(file.path, size(file.size_bytes), state)
    out.print(table)
    out.print(f"{size(missing_bytes)} to fetch")


def _check(hub: Hub, wanted: list[Wanted]) -> None:
    problems = 0
    with _download_bar() as bar:
        task = bar.add_task("verifying", total=None)

        def show(stage: str, done: int, total: int | None) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        reports = [hub.check(item.reference, show) for item in wanted] or [hub.check(None, show)]
    for report in reports:
        out.print(f"{report.files} files verified, {size(report.size_bytes)}")
        for problem in report.problems:
            problems += 1
            err.print(f"damaged: {problem}; fetch it again with voxgate pull", soft_wrap=True)
        if report.unverifiable:
            out.print(f"{len(report.unverifiable)} files came without a hash to verify them by")
        if report.unfinished:
            out.print(f"{len(report.unfinished)} transfers are unfinished and will be continued")
    if problems:
        raise fail(f"{problems} damaged files")


def _download_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )


def size(size_bytes: int) -> str:
    """Bytes for people: ``1.3 GB``."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
