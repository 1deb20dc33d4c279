"""Fake Hugging Face hub on loopback, with faults on demand.

It runs two servers: the hub, and at another origin the storage host that large files are redirected to. Run it by hand
with ``python -m tests.support.hub.fake_hub --root DIR``; see README.md in this folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from .fake_state import DEAD, LFS_SUFFIXES, Content, Faults, Repo, Seen


class FakeHub:
    """The two servers and their repositories.

    :ivar tokens: accepted tokens; others are refused.
    """

    def __init__(self, port: int = 0, storage_port: int = 0, page_size: int = 1000):
        self.repos: dict[str, Repo] = {}
        self.faults = Faults()
        self.tokens: set[str] = set()
        self.seen: list[Seen] = []
        self.page_size = page_size
        self.closing = threading.Event()
        self._servers = [_Server(self, "hub", port), _Server(self, "storage", storage_port)]
        self.url, self.storage_url = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def add(self, repo: str, files: Mapping[str, bytes | Path], branch: str = "main", **state: bool) -> str:
        """Commit files to a branch and return the commit."""
        contents = {path: Content(source, path.endswith(LFS_SUFFIXES)) for path, source in files.items()}
        names = json.dumps({path: content.etag for path, content in sorted(contents.items())})
        commit = hashlib.sha1(f"{repo} {names}".encode()).hexdigest()
        entry = self.repos.setdefault(repo, Repo(**state))
        entry.commits[commit] = contents
        entry.refs[branch] = commit
        return commit

    def add_folder(self, root: Path) -> None:
        """Serve ``root/owner/repo/…``."""
        for folder in sorted(path for path in root.glob("*/*") if path.is_dir()):
            files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
            self.add(folder.relative_to(root).as_posix(), files)

    def bodies(self) -> list[Seen]:
        """The requests for files that sent bytes."""
        return [seen for seen in self.seen if seen.for_file and seen.sent_bytes]

    def served_bytes(self) -> int:
        return sum(seen.sent_bytes for seen in self.bodies())

    def close(self) -> None:
        self.closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()


@contextmanager
def running(**kwargs: int) -> Iterator[FakeHub]:
    hub = FakeHub(**kwargs)
    try:
        yield hub
    finally:
        hub.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: FakeHub, name: str, port: int):
        self.hub = hub
        self.name = name
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        hub = self.server.hub
        headers = {name.title(): value for name, value in self.headers.items()}
        self.seen = Seen(self.server.name, self.command, self.path, headers)
        hub.seen.append(self.seen)
        faults = hub.faults
        path = unquote(urlsplit(self.path).path)
        if faults.hang == "answer":
            hub.closing.wait()
            self.close_connection = True
        elif faults.hang == "header":
            self._drip()
        elif self.server.name == "storage":
            self._storage(path.removeprefix("/"))
        elif faults.status:
            self._answer(faults.status, {}, b"out of order")
        elif faults.redirect_to:
            self._answer(308, {"Location": faults.redirect_to + self.path})
        elif path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        elif path == "/api/models":
            self._json([])
        else:
            self._resolve(path)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing; ``FakeHub.seen`` records requests."""

    def _drip(self) -> None:
        self.close_connection = True
        with suppress(OSError):  # the client disconnected
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not self.server.hub.closing.wait(0.3):
                self.wfile.write(b"x")

    def _find(self, repo: str, revision: str, path: str | None = None) -> tuple[Repo, str] | None:
        """Look up a commit, or respond with the real hub's error."""
        hub = self.server.hub
        authorization = self.headers.get("Authorization")
        known = authorization is not None and authorization.removeprefix("Bearer ") in hub.tokens
        if authorization is not None and not known:
            self._answer(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
            return None
        entry = hub.repos.get(repo)
        if entry is None or (entry.private and not known):
            self._answer(404 if known else 401, {"X-Error-Code": "RepoNotFound"})
            return None
        commit = entry.refs.get(revision, revision)
        if commit not in entry.commits:
            self._answer(404, {"X-Error-Code": "RevisionNotFound"})
            return None
        if path is not None and path not in entry.commits[commit]:
            self._answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return None
        if path is not None and entry.gated and not known:
            self._answer(401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
            return None
        return entry, commit

    def _api(self, path: str) -> None:
        owner, name, what, revision = ([*path.split("/", 3)] + [""] * 4)[:4]
        repo = f"{owner}/{name}"
        if (found := self._find(repo, revision)) is None:
            return
        entry, commit = found
        files = entry.commits[commit]
        if what == "revision":
            siblings = [_sibling(path, content) for path, content in files.items()]
            self._json({"_id": "0" * 24, "id": repo, "sha": commit, "private": False, "siblings": siblings})
        elif what == "tree":
            self._tree(files)
        elif what == "xet-read-token":
            headers = {"X-Xet-Cas-Url": DEAD, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": "9999999999"}
            self._json({"casUrl": DEAD, "accessToken": "xet", "exp": 9999999999}, headers)

    def _tree(self, files: Mapping[str, Content]) -> None:
        hub, url = self.server.hub, urlsplit(self.path)
        start = int(parse_qs(url.query).get("cursor", ["0"])[0])
        page = []
        for path, content in sorted(files.items())[start : start + hub.page_size]:
            listed: dict[str, object] = {"type": "file", "path": path, "size": content.size, "oid": content.git_sha1}
            if content.lfs:
                listed["lfs"] = {"oid": content.sha256, "size": content.size, "pointerSize": 134}
            if content.lfs and hub.faults.xet:
                listed["xetHash"] = content.sha256
            page.append(listed)
        folders = {path.rpartition("/")[0] for path in files} - {""}
        page += [{"type": "directory", "path": folder, "size": 0, "oid": "0" * 40} for folder in sorted(folders)]
        headers = {}
        if start + hub.page_size < len(files):
            host = hub.faults.next_link_host or hub.url
            headers["Link"] = f'<{host}{url.path}?recursive=true&cursor={start + hub.page_size}>; rel="next"'
        self._json(page, headers)

    def _resolve(self, path: str) -> None:
        hub, faults = self.server.hub, self.server.hub.faults
        # A revision may be escaped, so the path is split before it is unescaped.
        owner, name, _, revision, *inner = urlsplit(self.path).path.removeprefix("/").split("/")
        inner_path = unquote("/".join(inner))
        if (found := self._find(f"{owner}/{name}", unquote(revision), inner_path)) is None:
            return
        entry, commit = found
        content = entry.commits[commit][inner_path]
        if faults.file_status:
            self._answer(faults.file_status, {})
            return
        headers = {"X-Repo-Commit": commit, "ETag": f'"{faults.etag or content.etag}"', "Accept-Ranges": "bytes"}
        if not content.lfs:
            self._body(content, headers)
            return
        headers |= {"X-Linked-Etag": f'"{faults.etag or content.etag}"', "X-Linked-Size": str(content.size)}
        headers["Location"] = f"{faults.storage_url or hub.storage_url}/{content.sha256}?signature=abc"
        if faults.xet:
            token_url = f"{hub.url}/api/models/{owner}/{name}/xet-read-token/{commit}"
            headers |= {"X-Xet-Hash": content.sha256, "Link": f'<{token_url}>; rel="xet-auth"'}
        self._answer(302, headers)

    def _storage(self, sha256: str) -> None:
        for repo in self.server.hub.repos.values():
            for files in repo.commits.values():
                for content in files.values():
                    if content.sha256 == sha256 and content.lfs:
                        # A storage host's ETag differs from the hub's.
                        self._body(content, {"ETag": '"d41d8cd98f00b204e9800998ecf8427e-2"'})
                        return
        self._answer(404, {})

    def _body(self, content: Content, headers: dict[str, str]) -> None:
        hub, faults = self.server.hub, self.server.hub.faults
        start, stop, status = 0, content.size, 200
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and not faults.ignore_range:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1, stop) if last else stop
            if start >= content.size:
                self._answer(416, {"Content-Range": f"bytes */{content.size}"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
        if faults.no_length:
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(stop - start + faults.announce)
        self._head(status, headers)
        if self.command == "HEAD":
            return
        cut = faults.cut_every or None
        if faults.cut_after and faults.cut_after[0] < stop - start:
            cut = faults.cut_after.pop(0)
        end = stop if cut is None else min(stop, start + cut)
        step = max(1, faults.throttle_bytes_s // 20) if faults.throttle_bytes_s else 1 << 16
        position = start
        while position < end and not hub.closing.is_set():
            if faults.hang == "body" and position - start >= faults.hang_after:
                hub.closing.wait()
                break
            limit = start + faults.hang_after if faults.hang == "body" else end
            chunk = bytearray(content.read(position, min(position + step, end, limit)))
            if faults.corrupt and position <= content.size // 2 < position + len(chunk):
                chunk[content.size // 2 - position] ^= 1
            try:
                self.wfile.write(chunk)
            except OSError:  # the client disconnected
                break
            position += len(chunk)
            self.seen.sent_bytes += len(chunk)
            if faults.throttle_bytes_s:
                time.sleep(0.05)
        if position < stop or faults.announce or faults.no_length:
            self.close_connection = True

    def _json(self, document: object, headers: Mapping[str, str] | None = None) -> None:
        self._answer(200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(document).encode())

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        self._head(status, {**headers, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _sibling(path: str, content: Content) -> dict[str, object]:
    """A file as the real hub lists it for ``?blobs=true``."""
    listed: dict[str, object] = {"rfilename": path, "size": content.size, "blobId": content.git_sha1}
    if content.lfs:
        listed["lfs"] = {"sha256": content.sha256, "size": content.size, "pointerSize": 134}
    return listed


def _set_fault(faults: Faults, text: str) -> None:
    name, _, value = text.partition("=")
    current = getattr(faults, name)
    if isinstance(current, bool):
        setattr(faults, name, True)
    elif isinstance(current, list):
        setattr(faults, name, [int(part) for part in value.split(",")])
    else:
        setattr(faults, name, type(current)(value))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.hub.fake_hub", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="serve DIR/owner/repo/…")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--storage-port", type=int, default=0)
    parser.add_argument("--token", action="append", default=[], help="a token that is accepted")
    parser.add_argument("--gated", action="append", default=[], metavar="OWNER/REPO")
    known = ", ".join(Faults.__dataclass_fields__)
    parser.add_argument("--fault", action="append", default=[], help=f"NAME or NAME=VALUE, of: {known}")
    args = parser.parse_args()
    with running(port=args.port, storage_port=args.storage_port) as hub:
        hub.add_folder(args.root)
        hub.tokens.update(args.token)
        for repo in args.gated:
            hub.repos[repo].gated = True
        for text in args.fault:
            _set_fault(hub.faults, text)
        print(f"HF_ENDPOINT={hub.url}  (storage at {hub.storage_url})", flush=True)
        for repo in hub.repos:
            print(f"  hf://{repo}", flush=True)
        shown = 0
        while True:
            time.sleep(0.2)
            for seen in hub.seen[shown:]:
                print(f"{seen.server:8} {seen.method:4} {seen.path} {seen.headers.get('Range', '')}", flush=True)
                shown += 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
