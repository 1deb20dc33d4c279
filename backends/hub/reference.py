"""Checkpoint references: ``hf://owner/repo/path@revision``, ``package://dotted.package/path`` or a local path."""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from backends.hub.errors import LocalFileMissing, MalformedReference

DEFAULT_REVISION = "main"

_FORMS = "a reference is hf://owner/repo[/path][@revision], package://dotted.package/path, or a path on this machine"
_REPO_PART = re.compile(r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
# Git's rules for ref names. Security boundary: `refs/<revision>` becomes a path in the cache.
_REVISION = re.compile(r"(?!-)[^\s~^:?*\[\\/\x00-\x1f\x7f]+(?:/[^\s~^:?*\[\\/\x00-\x1f\x7f]+)*")
# The only refs with an unescaped slash that the hub's own URIs allow between `@` and the path.
_SLASHED_REF = re.compile(r"(refs/(?:pr/\d+|convert/[\w.-]+))(?:/(.*))?$")
_OTHER_KINDS = frozenset({"datasets", "spaces", "kernels", "buckets"})
_MAX_NAME_BYTES = 255  # of one path component, on all common file systems
_MAX_PATH_BYTES = 2048  # leaves room for the cache's folders within the limits of operating systems
_HUB_PAGE = re.compile(
    r"/(?P<repo>[^/]+/[^/]+)(?:/(?:blob|resolve|tree|raw)/(?P<revision>[^/]+)(?:/(?P<path>.+))?)?/?$"
)


@dataclass(frozen=True, slots=True)
class HubReference:
    """A file, a folder or a whole repository at the hub.

    :param repo: ``owner/name``.
    :param path: path in the repository; empty: the whole repository.
    :param revision: branch, tag or commit.
    """

    repo: str
    path: str = ""
    revision: str = DEFAULT_REVISION

    def __str__(self) -> str:
        if "@" in self.path:  # in the trailing form, the path's `@` would be parsed as the revision's
            return f"hf://{self.repo}@{quote(self.revision, safe='')}/{self.path}"
        path = f"/{self.path}" if self.path else ""
        # Directly after the repository, a slash would end the revision, so it is escaped.
        revision = self.revision if path else quote(self.revision, safe="")
        return f"hf://{self.repo}{path}@{revision}"


@dataclass(frozen=True, slots=True)
class PackageReference:
    """A file or folder of an installed Python package."""

    package: str
    path: str = ""

    def __str__(self) -> str:
        return f"package://{self.package}" + (f"/{self.path}" if self.path else "")

    def locate(self) -> Path:
        """Find the file without importing the package, which may be slow or broken.

        :raises LocalFileMissing: if the package is not installed, or has no such file.
        """
        top, *below = self.package.split(".")
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):  # ValueError: a module in sys.modules without a spec
            spec = None
        if spec is None:
            raise LocalFileMissing(f"{self}: package {top!r} is not installed")
        if not spec.submodule_search_locations:
            raise LocalFileMissing(f"{self}: {top!r} is a single module, not a package with files")
        folders = [Path(root, *below) for root in spec.submodule_search_locations]
        for folder in folders:
            if folder.is_dir() and (found := folder / self.path).exists():
                return found
        raise LocalFileMissing(f"{self}: not in {' or '.join(map(str, folders))}")


@dataclass(frozen=True, slots=True)
class LocalReference:
    """A local path."""

    path: Path
    text: str

    def __str__(self) -> str:
        return self.text

    def locate(self) -> Path:
        """Return the path.

        :raises LocalFileMissing: if it does not exist.
        """
        try:
            if self.path.exists():
                return self.path
        except OSError as error:  # a name too long for the file system, or a folder without permission
            raise LocalFileMissing(f"{self.text}: {error.strerror or error}") from error
        # Other tools name a repository `owner/repo`; here that is a relative path.
        is_repo_name = re.fullmatch(r"[\w.-]+/[\w.-]+", self.text)
        hint = f"; a repository on the hub is written hf://{self.text}" if is_repo_name else ""
        raise LocalFileMissing(f"{self.text}: {self.path} does not exist{hint}")


Reference = HubReference | PackageReference | LocalReference


def parse_reference(text: str, base_dir: Path | None = None) -> Reference:
    """Parse a reference, without looking it up.

    :param base_dir: the base of relative paths; by default the current folder.
    :raises MalformedReference: if the syntax is invalid.
    """
    if not text.strip() or "\0" in text:
        raise MalformedReference(f"empty reference: {_FORMS}")
    scheme, separator, body = text.partition("://")
    if not separator:
        return LocalReference(Path(base_dir or Path.cwd(), Path(text).expanduser()), text)
    if scheme == "hf":
        return _hub(text, body)
    if scheme == "package":
        return _package(text, body)
    if scheme in ("http", "https") and (page := _HUB_PAGE.fullmatch(urlsplit(text).path)):
        meant = HubReference(page["repo"], page["path"] or "", unquote(page["revision"] or DEFAULT_REVISION))
        raise MalformedReference(f"{text}: a web address is not a reference; did you mean {meant}?")
    raise MalformedReference(f"{text}: unknown scheme {scheme}://; {_FORMS}")


def _hub(text: str, body: str) -> HubReference:
    body = body.removeprefix("models/")
    owner, _, rest = body.partition("/")
    if owner in _OTHER_KINDS:
        raise MalformedReference(f"{text}: only model repositories are supported, not {owner}")
    name, slash, path = rest.partition("/")
    revision: str | None = None
    if "@" in name:  # hf://owner/repo@revision/path, as huggingface_hub writes it
        name, _, revision = name.partition("@")
        if slashed := _SLASHED_REF.match(revision + slash + path):
            revision, path = slashed[1], slashed[2] or ""
        revision = unquote(revision)
    elif "@" in path:  # hf://owner/repo/path@revision
        path, _, revision = path.rpartition("@")
        revision = unquote(revision)
    for part in (owner, name):
        if not _REPO_PART.fullmatch(part) or "--" in part or ".." in part or part.endswith(".git"):
            raise MalformedReference(f"{text}: {owner}/{name} is not a valid repository name; {_FORMS}")
    return HubReference(f"{owner}/{name}", _inner_path(text, path), _revision(text, revision))


def _revision(text: str, revision: str | None) -> str:
    if revision is None:
        return DEFAULT_REVISION
    if not _REVISION.fullmatch(revision) or ".." in revision or not is_safe_path(revision):
        raise MalformedReference(f"{text}: {revision!r} is not a valid branch, tag or commit")
    return revision


def _package(text: str, body: str) -> PackageReference:
    package, _, path = body.partition("/")
    if not all(part.isidentifier() for part in package.split(".")):
        raise MalformedReference(f"{text}: {package!r} is not a valid dotted package name; {_FORMS}")
    return PackageReference(package, _inner_path(text, path))


def _inner_path(text: str, path: str) -> str:
    path = path.rstrip("/")
    if path and not is_safe_path(path):
        raise MalformedReference(f"{text}: {path!r} is not a valid path in a repository or package")
    return path


def is_safe_path(path: str) -> bool:
    """Whether a ``/``-separated path is valid and stays below the folder it is joined to.

    Checked by POSIX and Windows rules. Names that are too long or contain control characters are invalid.
    """
    try:
        if len(path.encode()) > _MAX_PATH_BYTES:
            return False
    except UnicodeEncodeError:  # a lone surrogate, which JSON can contain
        return False
    return not re.match(r"[A-Za-z]:", path) and all(_is_safe_name(part) for part in path.split("/"))


def _is_safe_name(name: str) -> bool:
    if name in ("", ".", "..") or "\\" in name or len(name.encode()) > _MAX_NAME_BYTES:
        return False
    return not any(unicodedata.category(character) == "Cc" for character in name)
