"""``voxgate pull``: fetch checkpoints before they are needed, or verify those that are here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table

from backends.errors import LoadError
from backends.hub import BadHubSettings, CheckReport, Endpoint, Hub, HubSettings, MalformedReference
from gateway.checkpoints import Catalogue, Wanted
from gateway.cli.console import err, explained, fail, out
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
            help="Ask this endpoint; may be given several times, in order. It gets your token, if you have one."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and how much.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Follow a branch or tag to where it is now, not to where it was first.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Verify what is cached by its hashes, without any network.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Fetch checkpoints into the Hugging Face cache, through mirrors, resuming, verifying and mending."""
    if check and (dry_run or update):
        raise fail("--check excludes --dry-run and --update", WRONG_USAGE)
    if not (check or names):
        raise fail("name what to fetch: an engine, a set or a reference; see voxgate pull --help", WRONG_USAGE)
    settings = settings_or_exit(config)
    with _told():
        hub = Hub(hub_settings(settings, endpoint))
        with explained(WRONG_USAGE):
            catalogue = Catalogue.load()
            wanted = [item for name in names or () for item in catalogue.wanted(name, settings.engines)]
        if check:
            _check(hub, wanted)
        elif dry_run:
            _plan(hub, wanted, catalogue, update)
        else:
            _fetch(hub, wanted, catalogue, update)


def hub_settings(settings: Settings, endpoints: list[str] | None = None) -> HubSettings:
    """The hub as it is configured now, or with the endpoints given on the command line.

    :raises BadHubSettings: naming what is wrong.
    """
    hub = HubSettings.from_environment(settings.hub)
    if not endpoints:
        return hub
    urls = [url for given in endpoints for url in given.split(",") if url.strip()]
    return replace(hub, endpoints=tuple(Endpoint.parse(url, "--endpoint", send_token=True) for url in urls))


@contextmanager
def _told() -> Iterator[None]:
    """Turn the hub's errors into a message and an exit status."""
    try:
        yield
    except (BadHubSettings, MalformedReference) as error:
        raise fail(str(error), WRONG_USAGE) from None
    except LoadError as error:
        raise fail(str(error)) from None


def terms(reference: str, catalogue: Catalogue) -> str:
    """The licence of what a reference names, in words."""
    licence = catalogue.licence(reference)
    if licence is None:
        return "licence unknown: read it on the repository's page"
    if licence.commercial_use:
        return licence.licence
    return f"{licence.licence}: not for commercial use; read it before you serve it"


def _fetch(hub: Hub, wanted: list[Wanted], catalogue: Catalogue, update: bool) -> None:
    if not wanted:
        err.print("nothing to fetch: what was named comes with its package")
    for item in wanted:
        err.print(f"{item.reference} ({terms(item.reference, catalogue)})", soft_wrap=True)
        with _bar() as show:
            fetched = hub.fetch(item.reference, show, allow=item.allow, verify_cached=True, update=update)
        if not item.pinned:
            err.print(f"  a branch or tag, here at commit {fetched.commit}", soft_wrap=True)
        out.print(str(fetched.path), soft_wrap=True)


def _plan(hub: Hub, wanted: list[Wanted], catalogue: Catalogue, update: bool) -> None:
    table = Table("file", "size", "state")
    missing_bytes = 0
    for item in wanted:
        err.print(f"{item.reference} ({terms(item.reference, catalogue)})", soft_wrap=True)
        for file in hub.plan(item.reference, allow=item.allow, update=update):
            state = (
                "cached" if file.cached else f"{size(file.partial_bytes)} here" if file.partial_bytes else "to fetch"
            )
            missing_bytes += 0 if file.cached else file.size_bytes - file.partial_bytes
            table.add_row(file.path, size(file.size_bytes), state)
    out.print(table)
    out.print(f"{size(missing_bytes)} to fetch")


def _check(hub: Hub, wanted: list[Wanted]) -> None:
    with _bar() as show:
        if wanted:
            reports = [hub.check(item.reference, show, item.allow) for item in wanted]
        else:
            reports = [hub.check(progress=show)]
    for report in reports:
        _tell(report)
    if damaged := sum(len(report.problems) for report in reports):
        raise fail(f"{damaged} damaged or missing; voxgate pull mends that")


def _tell(report: CheckReport) -> None:
    out.print(f"{report.files} files verified, {size(report.size_bytes)}")
    for problem in report.problems:
        err.print(f"damaged or missing: {problem}", soft_wrap=True)
    if report.unverifiable:
        out.print(f"{len(report.unverifiable)} files came without a hash to verify them by")
    if report.unfinished:
        out.print(f"{len(report.unfinished)} transfers are unfinished and will be continued")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar with amount, speed and time left, that fits 80 columns; nothing where stderr is no terminal."""
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TransferSpeedColumn(table_column=Column(no_wrap=True, min_width=9)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=err, transient=True, expand=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("asking", total=None)
        stage_now = ""

        def show(stage: str, done: int, total: int | None) -> None:
            nonlocal stage_now
            if stage != stage_now and stage.split(" ", 1)[0] != stage_now.split(" ", 1)[0]:
                bar.reset(task)  # another kind of work has another speed
            stage_now = stage
            verb, _, path = stage.rpartition(" ")
            name = f"{verb.split(' ', 1)[0]} {path.rsplit('/', 1)[-1]}" if verb else stage
            bar.update(task, description=name, completed=done, total=total)

        yield show


def size(size_bytes: int) -> str:
    """Bytes for people: ``1.3 GB``."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
