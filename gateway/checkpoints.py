"""Catalog of checkpoints: licenses of repositories, and the files that engines and named sets need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from backends.hub import HubReference, MalformedReference, parse_reference
from backends.yaml_text import parse_yaml
from gateway.errors import ConfigError, NotFound
from gateway.settings import EngineSettings
from gateway.settings_sources import config_folder

REMOTE = "hf://"
_FULL_COMMIT = re.compile("[0-9a-f]{40}")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class License(_Entry):
    """License of a repository's weights."""

    license: str
    commercial_use: bool


class Download(_Entry):
    """A reference to fetch.

    :param allow: for a folder, fetch only files that match one of these patterns.
    """

    reference: str
    allow: tuple[str, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether the reference has a full commit hash, which never changes, unlike a branch or a tag."""
        try:
            parsed = parse_reference(self.reference)
        except MalformedReference:
            return False
        return isinstance(parsed, HubReference) and bool(_FULL_COMMIT.fullmatch(parsed.revision))


class Catalog(_Entry):
    """Content of ``configs/checkpoints.yaml``."""

    repositories: dict[str, License]
    sets: dict[str, tuple[Download, ...]]

    @classmethod
    def load(cls, path: Path | None = None) -> Catalog:
        """Read the file, by default the shipped one.

        :raises ConfigError: if the file is damaged.
        """
        path = path or config_folder() / "checkpoints.yaml"
        try:
            return cls.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from None

    def license(self, reference: str) -> License | None:
        """License of a reference's repository, or None if it is unknown."""
        try:
            parsed = parse_reference(reference)
        except MalformedReference:
            return None
        return self.repositories.get(parsed.repo) if isinstance(parsed, HubReference) else None

    def downloads(self, name: str, engines: Mapping[str, EngineSettings]) -> list[Download]:
        """Resolve a command-line name: a reference, a configured engine, or a set of the catalog.

        :raises NotFound: if it is none of these.
        """
        if name.startswith(REMOTE):
            return [Download(reference=name)]
        if name in engines and (references := list(references_in(engines[name].model))):
            return [Download(reference=reference) for reference in references]
        if name in self.sets:
            return list(self.sets[name])
        if name in engines:
            return []  # the engine needs no files from a hub
        known = ", ".join(sorted({*engines, *self.sets}))
        raise NotFound(f"unknown name {name!r}: must be a reference (hf://owner/repo/…), or one of {known}")


def references_in(block: Any) -> Iterator[str]:
    """Yield every ``hf://`` reference in a configuration block, in order."""
    if isinstance(block, str) and block.startswith(REMOTE):
        yield block
    elif isinstance(block, Mapping):
        for value in block.values():
            yield from references_in(value)
    elif isinstance(block, list):
        for value in block:
            yield from references_in(value)
