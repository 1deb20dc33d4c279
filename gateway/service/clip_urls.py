"""Reference clips by URL: downloads from hosts that the settings list, never from private addresses.

The host's name is resolved once, every address is checked, and the connection goes to a checked address, so that a name
cannot lead to another one between check and use.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from gateway.errors import InvalidRequest
from gateway.reference_urls import ReferenceUrls

MAX_URL_CHARS = 2048
MAX_REDIRECTS = 3
MAX_CONCURRENT = 8
SCHEMES = ("https://", "http://")

_DEFAULT_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


def as_url(data: bytes) -> str | None:
    """The URL that a request sent in place of a clip; None for anything else. No audio file starts like one."""
    start = data[: len(SCHEMES[0])].lower().decode("latin-1")
    return data.strip().decode("utf-8", "replace") if start.startswith(SCHEMES) else None


def is_public(address: str) -> bool:
    """Whether an address, and one embedded in it, is neither private, loopback, link-local, multicast nor reserved."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded:
            return is_public(str(embedded))
    return ip.is_global and not ip.is_multicast


class ClipUrls:
    """Download clips within the configured limits.

    :param max_bytes: largest file.
    :param is_allowed: decides on each resolved address.
    """

    def __init__(self, settings: ReferenceUrls, max_bytes: int, is_allowed: Callable[[str], bool] = is_public):
        self._settings = settings
        self._max_bytes = max_bytes
        self._is_allowed = is_allowed
        self._semaphore = asyncio.Semaphore(MAX_CONCURRENT)

    async def fetch(self, url: str, param: str) -> bytes:
        """Download a file.

        :param param: the request field to name in errors.
        :raises InvalidRequest: if the URL is not allowed, or cannot be downloaded in time.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_s), self._semaphore:
                return await self._fetch(url)
        except TimeoutError:
            message = f"the URL was not downloaded within reference_urls.timeout_s = {self._settings.timeout_s:g} s"
            raise InvalidRequest(message, param=param) from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise InvalidRequest(f"the URL cannot be downloaded: {reason}", param=param) from None
        except InvalidRequest as error:
            raise InvalidRequest(error.message, param=param) from None

    async def _fetch(self, url: str) -> bytes:
        first = self._checked(url)
        target = first
        # Proxies of the environment would resolve the name again.
        async with httpx.AsyncClient(trust_env=False, timeout=self._settings.timeout_s) as client:
            for _ in range(MAX_REDIRECTS + 1):
                address = await self._resolve(target)
                async with client.stream(
                    "GET",
                    _with_address(target, address),
                    headers={"Host": target.netloc, "Accept": "audio/*, */*", "Accept-Encoding": "identity"},
                    extensions={"sni_hostname": target.hostname},
                ) as response:
                    if response.status_code not in _REDIRECTS:
                        return await self._body(response)
                    location = urljoin(target.geturl(), response.headers.get("location", ""))
                target = self._checked(location)
                if (target.scheme, target.netloc) != (first.scheme, first.netloc):
                    raise InvalidRequest("the URL redirects to another host: send the URL of the file itself")
        raise InvalidRequest(f"the URL redirects more than {MAX_REDIRECTS} times")

    async def _body(self, response: httpx.Response) -> bytes:
        if response.status_code != HTTPStatus.OK:
            raise InvalidRequest(f"the server of the URL responded with status {response.status_code}")
        too_large = f"the file has more than limits.body_bytes = {self._max_bytes} bytes"
        if int(response.headers.get("content-length") or 0) > self._max_bytes:
            raise InvalidRequest(too_large)
        data = bytearray()
        async for part in response.aiter_raw():
            data += part
            if len(data) > self._max_bytes:
                raise InvalidRequest(too_large)
        return bytes(data)

    def _checked(self, url: str) -> SplitResult:
        """Parse a URL and check it against the allow-list."""
        if not self._settings.hosts:
            raise InvalidRequest("URLs are not accepted: send the file, or list the host in reference_urls.hosts")
        try:
            parts = urlsplit(url[: MAX_URL_CHARS + 1])
            port = parts.port
        except ValueError as error:
            raise InvalidRequest(f"invalid URL: {error}") from None
        if len(url) > MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url:
            raise InvalidRequest(f"invalid URL: must be at most {MAX_URL_CHARS} ASCII characters without spaces")
        if not parts.hostname or parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc:
            raise InvalidRequest("invalid URL: must be https://host/path, without a user name")
        origin = parts.hostname if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{parts.hostname}:{port}"
        if not any(_matches(entry, parts.scheme, origin) for entry in self._settings.hosts):
            raise InvalidRequest(
                f"URLs of {parts.scheme}://{origin} are not accepted: it is not in reference_urls.hosts; send the file"
            )
        return parts._replace(fragment="")

    async def _resolve(self, target: SplitResult) -> str:
        """The first address of the host, if all its addresses are allowed."""
        loop = asyncio.get_running_loop()
        port = target.port or _DEFAULT_PORTS[target.scheme]
        try:
            found = await loop.getaddrinfo(target.hostname, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise InvalidRequest(f"the host {target.hostname} cannot be resolved: {error}") from None
        addresses = [str(info[4][0]) for info in found]
        if not addresses or not all(map(self._is_allowed, addresses)):
            raise InvalidRequest(f"the host {target.hostname} has a private or reserved address")
        return addresses[0]


def _matches(entry: str, scheme: str, origin: str) -> bool:
    """Whether an entry of the allow-list covers a host; ``*.`` covers subdomains, and ``http://`` plain HTTP only."""
    allowed_scheme, separator, host = entry.rpartition("://")
    if (allowed_scheme if separator else "https") != scheme:
        return False
    host = host.lower()
    return origin.endswith(host[1:]) if host.startswith("*.") else origin == host


def _with_address(target: SplitResult, address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    netloc = f"{host}:{target.port}" if target.port else host
    return target._replace(netloc=netloc).geturl()
