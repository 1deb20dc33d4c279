"""An empty AWS account for each test, and the command with its output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.session
import pytest
from support import aws
from typer.testing import CliRunner, Result

from gateway.cli import app

Command = Callable[..., Result]


@pytest.fixture(scope="session")
def _moto() -> Iterator[str]:
    loader = botocore.loaders.create_loader()  # every session would read the services' descriptions again
    with aws.server() as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda search_path_string=None: loader)
        yield url


@pytest.fixture
def account(_moto: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> aws.Account:
    for name, value in aws.environment(_moto).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.chdir(tmp_path)
    return aws.reset(_moto)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def deploy() -> Command:
    """Run ``voxgate deploy sagemaker`` with these options; an exception is the test's."""

    def run(*options: object, status: int = 0, role: str | None = aws.ROLE, **kwargs: Any) -> Result:
        given = [] if role is None else ["--role", role]
        result = CliRunner(env={"COLUMNS": "200"}).invoke(
            app, ["deploy", "sagemaker", *given, *map(str, options)], catch_exceptions=False, **kwargs
        )
        assert result.exit_code == status, result.output
        return result

    return run
