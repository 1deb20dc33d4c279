"""Rehearse ``run.sh``, or ``train_minis.sh``, without a GPU: ``make gpu-rehearsal``, ``make gpu-rehearsal FOR=train``.

A copy of the tree without the shipped checkpoints, a fresh virtual environment of the packages in ``present.txt``, the
kit for this Python, and no network. Of ``present.txt`` those packages are installed that ``constraints.txt`` knows: no
other is one that Voxgate or a package of the kit requires. Their versions are those of ``present.txt`` where it has one
that this Python can use, or else those of ``constraints.txt``. Standard library only.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kit
from packages import ROOT, constraints, present

LIMIT_S = 3600  # of two cores that are busy with something else
ISOLATE = ["unshare", "--net", "--map-root-user"]
COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "bench": (["benchmarks/gpu/run.sh", "--device", "cpu", "--quick", "--limit-s", str(LIMIT_S)], []),
    "train": (["benchmarks/gpu/train_minis.sh", "--device", "cpu"], ["1"]),  # minute, on two idle cores
}
"""For each purpose the script, and further arguments if none are given."""


def copy_tree(to: Path) -> None:
    """Copy what git tracks or would track, without the checkpoints that the wheel ships."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file() and not (name.startswith("backends/") and "/assets/" in name):
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def make_environment(folder: Path, uv: str, python: str) -> None:
    """Make a virtual environment like that of the GPU machine.

    :raises subprocess.CalledProcessError: a package cannot be had.
    """
    subprocess.run([uv, "venv", "--quiet", "--python", python, str(folder)], check=True)
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode"]  # as it is there: imports are timed
    install += ["--python", str(folder / "bin/python")]
    tested = constraints()
    wanted = {name: version or tested[name] for name, version in present().items() if name in tested}
    for name, version in wanted.items():
        there = [*install, "--dry-run", f"{name}=={version}"]
        if version != tested[name] and subprocess.run(there, check=False, capture_output=True).returncode:
            print(f"{name} {version} is not for this Python; {tested[name]} takes its place", flush=True)
            wanted[name] = tested[name]
    requirements = [f"{name}=={version}" for name, version in wanted.items()]
    subprocess.run([*install, *requirements], check=True)
    print(f"{len(requirements)} packages of present.txt installed", flush=True)


def isolation() -> list[str]:
    """Return the command that takes the network away, where this machine allows one."""
    try:
        allowed = subprocess.run([*ISOLATE, "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        print("no network namespace here: only pip and the hub are offline", flush=True)
    return ISOLATE if allowed else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter (default: %(default)s)")
    parser.add_argument("--uv", default=str(Path(sys.executable).parent / "uv"), help="default: %(default)s")
    parser.add_argument("--for", dest="purpose", default="bench", help="which kit (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="copy what the run leaves under $OUT into this folder")
    parser.add_argument("run", nargs=argparse.REMAINDER, help="arguments of the script after --, e.g. -- --stage smoke")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voxgate-gpu-") as name:
        folder = Path(name)
        tree, home = folder / "tree", folder / "home"
        home.mkdir()
        copy_tree(tree)
        version = "import sys; print('%d.%d' % sys.version_info[:2])"
        found = subprocess.run([arguments.python, "-c", version], check=True, capture_output=True, text=True)
        size = kit.fill(tree / ".gpu", arguments.purpose, found.stdout.strip())
        print(f"kit for Python {found.stdout.strip()}: {size / 2**20:.1f} MiB", flush=True)
        if arguments.purpose == "train":
            shutil.copy2(ROOT / ".gpu/train.zip", tree / ".gpu")  # of `make gpu-kit FOR=train`
        make_environment(folder / "venv", arguments.uv, arguments.python)
        environment = {
            "PATH": f"{folder / 'venv/bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "OUT": str(folder / "out"),
            "PIP_NO_INDEX": "1",
            "HF_HUB_OFFLINE": "1",
        }
        script, usual = COMMANDS[arguments.purpose]
        given = [argument for argument in arguments.run if argument != "--"]
        command = [*isolation(), "bash", *script, *(given or usual)]
        ended = subprocess.run(command, cwd=tree, env=environment, check=False)
        files = sorted(path.name for path in (folder / "out").iterdir())
        print(f"left under $OUT: {', '.join(files)}", flush=True)
        if arguments.keep:
            shutil.copytree(folder / "out", arguments.keep, dirs_exist_ok=True)
    return ended.returncode


if __name__ == "__main__":
    raise SystemExit(main())
