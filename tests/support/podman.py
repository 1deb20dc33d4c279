"""Images built and containers run by Podman, as root, in a storage of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
STATE = Path("/var/tmp/voxgate-image")  # podman refuses long paths
BASE = "docker.io/library/python:3.11-slim"
# Without a service manager, as in CI: no control groups, and no limits above the caller's own.
RUN = ["--cgroups=disabled", "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096", "--pull=never"]


def podman(*arguments: str | Path, status: int | None = 0) -> str:
    """Run podman and return what it prints; any exit status but the expected one is an error."""
    place = ["--root", f"{STATE}/storage", "--runroot", f"{STATE}/run", "--storage-driver=overlay"]
    command = ["podman", *place, "--cgroup-manager=cgroupfs", "--log-level=fatal", *map(str, arguments)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert status in (None, result.returncode), f"{arguments}: exit status {result.returncode}\n{result.stdout}"
    return result.stdout.strip()


def make_base() -> None:
    """Make a stand-in for the base image from Debian's packages, because no image registry is needed for the tests.

    It has this machine's certificates and index of packages, which the build needs and the Dockerfile does not mention.
    """
    if podman("images", "--quiet", BASE):
        return
    folder = STATE / "base"
    packages = "python3,python3-venv,ca-certificates"
    command = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", folder]
    subprocess.run(command, check=True, capture_output=True)
    certificates = Path("etc/ssl/certs/ca-certificates.crt")
    (folder / certificates).write_bytes((Path("/") / certificates).read_bytes())
    if (settings := Path("/etc/pip.conf")).exists():
        (folder / "etc/pip.conf").write_bytes(settings.read_bytes())
    (folder / "etc/uv").mkdir()
    (folder / "etc/uv/uv.toml").write_text("system-certs = true\n")
    archive = STATE / "base.tar"
    excluded = ["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*"]
    subprocess.run(["tar", "-C", folder, *excluded, "-cf", archive, "."], check=True)
    podman("import", archive, BASE)
    archive.unlink()
    subprocess.run(["rm", "-rf", folder], check=True)


def build(target: str, tag: str, **arguments: str) -> str:
    """Build one target of the Dockerfile and return its tag; keyword arguments are build arguments."""
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    options = ["--isolation=chroot", "--network=host", "--pull=never", "--format=docker", "--layers"]
    podman("build", *options, *given, f"--target={target}", f"--tag={tag}", ROOT)
    return tag


@dataclass
class Container:
    """A running container; ``url`` is its published port on this machine."""

    name: str
    url: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=180, trust_env=False)

    def run(self, *command: str, status: int | None = 0) -> str:
        return podman("exec", self.name, *command, status=status)

    def stop(self) -> int:
        """Send SIGTERM, as ``docker stop`` does, and return the exit status."""
        podman("stop", "--time=30", self.name)
        return json.loads(podman("inspect", self.name))[0]["State"]["ExitCode"]


@contextmanager
def running(image: str, *options: str, command: tuple[str, ...] = (), port: int = 8000) -> Iterator[Container]:
    """Run an image with its own command, or with another, until the context ends. Options are ``docker run``'s."""
    name = podman("run", "--detach", *RUN, f"--publish=127.0.0.1::{port}", *options, image, *command)
    try:
        container = Container(name, f"http://{podman('port', name, f'{port}/tcp')}")
        with container.client:
            yield container
    finally:
        print(podman("logs", name, status=None))
        podman("rm", "--force", "--volumes", name)
