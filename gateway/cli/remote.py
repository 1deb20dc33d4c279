"""HTTP client for a running gateway."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.cli.console import fail
from gateway.cli.running import candidates


def is_local(url: str) -> bool:
    """Whether a URL names this machine by its loopback address."""
    return is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a host."""
    return host == "localhost" or host.startswith("127.") or host == "::1"


class RemoteGateway:
    """A running gateway, over HTTP.

    :param api_key: sent with every :meth:`request` and to no other server, because redirects are not followed.
    """

    def __init__(self, url: str, api_key: str | None = None):
        self.url = url.rstrip("/")
        timeout = httpx.Timeout(10.0, read=None)
        # Requests to this machine ignore a proxy from the environment.
        self._http = httpx.Client(base_url=self.url, timeout=timeout, trust_env=not is_local(self.url))
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def request(self, method: str, path: str, headers: Mapping[str, str] = {}, **kwargs: Any) -> httpx.Response:
        """Send a request. An error exits the command with the server's message."""
        try:
            response = self._http.request(method, path, headers={**self._headers, **headers}, **kwargs)
        except httpx.HTTPError as error:
            raise fail(f"{self.url} does not answer: {error}") from None
        if response.is_error:
            raise fail(_reason(response))
        return response

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request: the API key, if there is one."""
        return self._headers

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def answers(self) -> bool:
        """Whether the server is a gateway and not another service. The probe does not send the key."""
        try:
            health = self._http.get("/health/live", timeout=1.0).json()
        except (httpx.HTTPError, ValueError):
            return False
        return isinstance(health, dict) and health.get("service") == "voxgate"


def find(url: str | None, default: str, api_key: str | None = None) -> RemoteGateway | None:
    """See :func:`gateway.cli.options.find_server`."""
    if url is not None:
        return RemoteGateway(url, api_key)
    if (given := os.environ.get("VOXGATE_SERVER")) is not None:
        urls = [given]
    else:
        urls = list(dict.fromkeys([default, *candidates()]))
    for server in (RemoteGateway(url, api_key) for url in urls):
        if server.answers():
            return server
        server.close()
    return None


def _reason(response: httpx.Response) -> str:
    try:
        error = response.json()["error"]
        return f"{error['param']}: {error['message']}" if error.get("param") else str(error["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.request.url} answered {response.status_code}: {response.text[:500]}"
