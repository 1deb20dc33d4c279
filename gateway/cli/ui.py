"""``voxgate ui``."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.console import err, exit_on_error, fail
from gateway.cli.options import DEFAULT_SERVER, ApiKeyOption, ServerOption, find_server

STREAM_STALL_S = 60.0  # as the gateway's limits.stall_s


def ui(
    server: ServerOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on.", envvar="GRADIO_SERVER_NAME", show_envvar=True)
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Port to listen on; 0: a free one.", envvar="GRADIO_SERVER_PORT", show_envvar=True
        ),
    ] = 7860,
    api_key: ApiKeyOption = None,
) -> None:
    """Serve the page of a running gateway as a process of its own, until SIGTERM or Ctrl-C.

    The page adds the API key to requests that have none. Without it, the page asks for one if the gateway needs it.
    """
    import uvicorn  # other commands start faster without these imports

    from gateway.cli.forwarder import Forwarder
    from gateway.cli.frames import LimitedFrames
    from gateway.cli.listen import listen
    from gateway.cli.remote import is_loopback
    from gateway.cli.server import LimitedHeads, Server

    if server is None:
        found = find_server(None, None, None)
        server = found.url if found else DEFAULT_SERVER
    if not server.startswith(("http://", "https://")):
        raise fail(f"--server {server!r}: must start with http:// or https://", 2)
    if api_key and not is_loopback(host):
        raise fail(
            f"--api-key with --host {host}: everyone who reaches that address could use the key; leave out the key, "
            "which the page then asks for, or listen on 127.0.0.1",
            2,
        )
    with exit_on_error():
        sockets = listen(host, port)
    config = uvicorn.Config(
        Forwarder(server, api_key, host),
        http=LimitedHeads,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ws=LimitedFrames,
        ws_ping_timeout=STREAM_STALL_S,  # a client reads a ping only after the audio queued before it
        ws_per_message_deflate=False,
    )
    address, listening_port = sockets[0].getsockname()[:2]
    address = f"[{address}]" if ":" in address else address
    err.print(f"page at http://{address}:{listening_port}/ui/ for the gateway at {server}", soft_wrap=True)
    Server(config).run(sockets)
