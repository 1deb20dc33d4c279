"""What is known of checkpoints before anything is fetched: which an engine names, and under which licence they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from backends.hub import HubReference, MalformedReference, parse_reference
from gateway.errors import ConfigError, NotFound
from gateway.settings import EngineSettings, config_folder

REMOTE = "hf://"
_FULL_COMMIT = re.compile("[0-9a-f]{40}")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Licence(_Entry):
    """The terms of a repository's weights."""

    licence: str
    commercial_use: bool


class Wanted(_Entry):
    """One reference to fetch.

    :param allow: for a folder, only files that match one of these patterns.
    """

    reference: str
    allow: tuple[str, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether it names a full commit, which never changes; a branch or a tag may."""
        try:
            parsed = parse_reference(self.reference)
        except MalformedReference:
            return False
        return isinstance(parsed, HubReference) and bool(_FULL_COMMIT.fullmatch(parsed.revision))


class Catalogue(_Entry):
    """The shipped ``configs/checkpoints.yaml``."""

    repositories: dict[str, Licence]
    sets: dict[str, tuple[Wanted, ...]]

    @classmethod
    def load(cls, path: Path | None = None) -> Catalogue:
        """Read it.

        :raises ConfigError: when the file is damaged.
        """
        path = path or config_folder() / "checkpoints.yaml"
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise ConfigError(f"{path}: {error}") from None

    def licence(self, reference: str) -> Licence | None:
        """The licence of what a reference names, where it is known."""
        try:
            parsed = parse_reference(reference)
        except MalformedReference:
            return None
        return self.repositories.get(parsed.repo) if isinstance(parsed, HubReference) else None

    def wanted(self, name: str, engines: Mapping[str, EngineSettings]) -> list[Wanted]:
        """What a name on the command line stands for: a reference, a configured engine, or a set of the catalogue.

        :raises NotFound: it is none of these.
        """
        if name.startswith(REMOTE):
            return [Wanted(reference=name)]
        if name in engines and (references := list(references_in(engines[name].model))):
            return [Wanted(reference=reference) for reference in references]
        if name in self.sets:
            return list(self.sets[name])
        if name in engines:
            return []  # it needs nothing from a hub
        known = ", ".join(sorted({*engines, *self.sets}))
        raise NotFound(f"{name!r} is no reference (hf://owner/repo/…), engine or set; there are {known}")


def references_in(block: Any) -> Iterator[str]:
    """Every ``hf://`` reference in a configuration block, in order."""
    if isinstance(block, str) and block.startswith(REMOTE):
        yield block
    elif isinstance(block, Mapping):
        for value in block.values():
            yield from references_in(value)
    elif isinstance(block, list):
        for value in block:
            yield from references_in(value)
