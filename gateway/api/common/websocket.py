"""Live sessions over WebSockets, independent of the message format.

Three tasks share a socket: one handles commands, one sends events, one waits for the gateway's shutdown. The first to
end ends the session.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from starlette.responses import JSONResponse
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.api.common.deps import Services, raise_refusal, request_id
from gateway.api.common.errors import STATUS, Problem, headers
from gateway.errors import BodyTimeout, BodyTooLarge, ClientGone, GatewayError, InvalidRequest, SessionIdle
from gateway.service.live.events import LiveEvent, SegmentRefused, SessionFinished
from gateway.service.live.session import LiveSession
from gateway.service.live.surrogates import SurrogateJoiner
from gateway.service.live.tasks import cancel_and_wait
from gateway.service.request import VoiceSpec
from gateway.service.speech import SpeechInfo

log = structlog.get_logger(__name__)

# Close codes (RFC 6455 and its IANA registry).
SERVICE_RESTART = 1012
_NORMAL, _POLICY_VIOLATION, _INTERNAL_ERROR, _TRY_AGAIN_LATER = 1000, 1008, 1011, 1013

# Selected if offered, because browsers fail a handshake that selects none of the offers. A subprotocol with an API key
# (gateway.api.common.auth) is never selected, so that the key is not sent back.
_SUBPROTOCOL = "voxgate"

_FEED_CHARS = 1000  # about 2 ms of work
_CLOSE_S = 5.0  # for the last message and the close frame
_MAX_HELD_BYTES = 2**20  # of messages that arrive while a session starts; further ones stay in the server's buffers

T = TypeVar("T")

WireMessage = str | bytes


@dataclass(frozen=True, slots=True)
class Start:
    """Start a session.

    :param text: the first text of the session.
    :param ignored: fields of the message that have no effect.
    """

    spec: VoiceSpec
    text: str = ""
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Append text; it may have lone surrogates."""

    text: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Speak all text received so far."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop speaking. :ivar played_s: audio that the client has played, if known."""

    played_s: float | None = None


@dataclass(frozen=True, slots=True)
class End:
    """End the text."""


Command = Start | Text | Flush | Interrupt | End


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that ends a session early.

    :param position: the text position that the sent audio reaches.
    """

    problem: Problem
    retry_after_s: float | None
    position: int


class Dialect(ABC):
    """The message format of one API.

    :cvar reusable: whether another session may start on the same socket after one has finished.
    :cvar or_silence: whether text without anything to speak becomes a short silence instead of no audio.
    """

    reusable = False
    or_silence = False

    @abstractmethod
    async def read(self, message: WireMessage) -> Command:
        """Parse a client's message.

        :raises InvalidRequest: naming the field.
        """

    @abstractmethod
    def started(self, info: SpeechInfo, start: Start, request_id: str) -> WireMessage | None:
        """The reply to a start, if any."""

    @abstractmethod
    def event(self, event: LiveEvent) -> WireMessage | None:
        """The message for an event, if any.

        :raises GatewayError: if the event ends the session in this API.
        """

    @abstractmethod
    def failure(self, failure: Failure) -> WireMessage:
        """The last message before a session is closed early."""

    @staticmethod
    @abstractmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of the HTTP response that rejects a handshake."""


async def serve_session(websocket: WebSocket, dialect: Dialect) -> None:
    """Accept a WebSocket and run a session over it, or reject the handshake with an HTTP response."""
    services: Services = websocket.app.state.services
    try:
        raise_refusal(websocket)
        with services.live.slot():
            await websocket.accept(_SUBPROTOCOL if _SUBPROTOCOL in websocket["subprotocols"] else None)
            await _Connection(websocket, services, dialect).run()
    except GatewayError as error:
        if websocket.application_state is not WebSocketState.CONNECTING:
            raise
        services.metrics.errors.labels(error.type).inc()
        body = dialect.envelope(_problem(error, websocket))
        await websocket.send_denial_response(JSONResponse(body, STATUS[type(error)], headers=headers(error)))


def _problem(error: GatewayError, websocket: WebSocket) -> Problem:
    return Problem(STATUS[type(error)], error.type, error.message, error.param, request_id(websocket))


class _Connection:
    """One accepted WebSocket."""

    def __init__(self, websocket: WebSocket, services: Services, dialect: Dialect):
        self._websocket = websocket
        self._sessions = services.live
        self._limits = services.settings.limits
        self._metrics = services.metrics
        self._dialect = dialect
        self._session: LiveSession | None = None
        self._held: deque[Message] = deque()  # messages that arrived while the session started
        self._surrogates = SurrogateJoiner()

    async def run(self) -> None:
        """Serve the connection from the first message to the close frame."""
        outcome: str | None = GatewayError.type
        try:
            outcome = await self._serve()
        except (WebSocketDisconnect, ClientGone, ConnectionError):
            outcome = ClientGone.type
        except _ClientStalled:
            outcome = "client_stalled"
            error_message = f"the client did not read for {self._limits.stall_s:g} s"
            log.warning("live session aborted", type=outcome, error=error_message)
        except GatewayError as error:
            outcome = error.type
            await self._fail(error)
        except asyncio.CancelledError:
            outcome = "shutdown"  # the server's shutdown timeout has expired
            raise
        except Exception as error:
            log.error("unexpected error", exc_info=error)
            await self._fail(GatewayError("internal error: the log has the details under this request ID"))
        finally:
            if outcome is not None:
                self._metrics.live_ended.labels(outcome).inc()

    async def _serve(self) -> str | None:
        """Run the sessions of the socket; return the last one's outcome, or None if it has been counted."""
        try:
            start = await self._receive_start(self._limits.body_s)
        except TimeoutError:
            raise BodyTimeout(f"no start message within {self._limits.body_s:g} s") from None
        while start is not None:
            if await self._serve_one(start):
                break
            if not self._dialect.reusable:
                await self._close(_NORMAL, "finished")
                return "finished"
            self._metrics.live_ended.labels("finished").inc()
            try:
                start = await self._receive_start(self._sessions.settings.idle_s)
            except (TimeoutError, WebSocketDisconnect):
                await self._close(_NORMAL, "finished")
                return None
            if start is None:
                await self._close(SERVICE_RESTART, "shutdown")
                return None
        await self._close(SERVICE_RESTART, "shutdown")
        return "shutdown"

    async def _serve_one(self, start: Start) -> bool:
        """Run a session to its end; return whether the gateway is shutting down."""
        opening = self._sessions.open(start.spec, self._dialect.or_silence)
        async with await self._while_connected(opening) as session:
            self._session, self._surrogates = session, SurrogateJoiner()
            await self._send(self._dialect.started(session.info, start, request_id(self._websocket)))
            await self._feed(session, start.text)
            shutting_down = await self._run_session(session)
        self._session = None
        return shutting_down

    async def _receive_start(self, within_s: float) -> Start | None:
        """Wait for the start message; None if the gateway shuts down first.

        :raises TimeoutError: if none arrives in time.
        """
        receiving = asyncio.ensure_future(self._receive_command(within_s))
        draining = asyncio.ensure_future(self._sessions.draining.wait())
        try:
            await asyncio.wait({receiving, draining}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                return None
            command = receiving.result()
        finally:
            await cancel_and_wait(receiving, draining)
        if not isinstance(command, Start):
            raise InvalidRequest("the first message must be a start message", param="type")
        return command

    async def _run_session(self, session: LiveSession) -> bool:
        """Run a session to its end; return whether the gateway is shutting down."""
        commands = asyncio.ensure_future(self._handle_commands(session))
        events = asyncio.ensure_future(self._send_events(session))
        drain = asyncio.ensure_future(self._drain_on_shutdown(session))
        tasks = (commands, events, drain)  # commands first: a disconnect is the cause of a failed send
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task in done:
                    task.result()
        finally:
            await cancel_and_wait(*tasks)
        if events in done:
            await self._send(
                events.result()
            )  # now that no task would take the next start for a command of this session
        return self._sessions.draining.is_set()

    async def _send_events(self, session: LiveSession) -> WireMessage | None:
        """Send all events except the last one, whose message is returned."""
        message = None
        async for event in session.events():
            message = self._dialect.event(event)
            if isinstance(event, SessionFinished):
                break
            if isinstance(event, SegmentRefused):
                self._metrics.errors.labels(event.error.type).inc()
                log.warning("segment refused", start=event.start, end=event.end, error=event.error.message)
            await self._send(message)
        return message

    async def _handle_commands(self, session: LiveSession) -> None:
        while True:
            try:
                command = await self._receive_command(self._sessions.settings.idle_s)
            except TimeoutError:
                if session.busy:
                    continue
                idle_s = self._sessions.settings.idle_s
                raise SessionIdle(f"no message and no audio for {idle_s:g} s") from None
            match command:
                case Interrupt(played_s):
                    self._metrics.live_interruptions.inc()
                    await session.interrupt(played_s)
                case _ if self._sessions.draining.is_set():
                    pass  # the text has ended
                case Text(text):
                    await self._feed(session, text)
                case Flush():
                    session.flush()
                case End():
                    session.feed(self._surrogates.finish())
                    session.end()
                case Start():
                    raise InvalidRequest("the session has already started", param="type")

    async def _feed(self, session: LiveSession, text: str) -> None:
        text = self._surrogates.add(text)
        for start in range(0, len(text), _FEED_CHARS):
            session.feed(text[start : start + _FEED_CHARS])
            await asyncio.sleep(0)  # let other tasks run while a long text is segmented

    async def _drain_on_shutdown(self, session: LiveSession) -> None:
        await self._sessions.draining.wait()
        session.drain()
        await self._sessions.drain_expired.wait()

    async def _receive_command(self, within_s: float) -> Command:
        """Receive the client's next message.

        :raises TimeoutError: if none arrives in time.
        :raises WebSocketDisconnect: if the client disconnected.
        """
        async with asyncio.timeout(within_s):
            message = self._held.popleft() if self._held else await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        data: WireMessage = message["bytes"] if message.get("bytes") is not None else message["text"]
        if len(data) > self._sessions.settings.message_bytes:
            raise BodyTooLarge(f"the message is larger than {self._sessions.settings.message_bytes} bytes")
        reading = self._dialect.read(data)
        return await (reading if self._session is not None else self._while_connected(reading))

    async def _while_connected(self, starting: Coroutine[Any, Any, T]) -> T:
        """Await a step of the start, which may wait for an engine to load; hold the client's messages meanwhile.

        :raises WebSocketDisconnect: if the client disconnected; the step is cancelled.
        """
        step = asyncio.ensure_future(starting)
        holding = asyncio.ensure_future(self._hold_messages())
        try:
            await asyncio.wait({step, holding}, return_when=asyncio.FIRST_COMPLETED)
            if not step.done() and holding.result():
                raise WebSocketDisconnect(1006)
            return await step
        finally:
            await cancel_and_wait(step, holding)

    async def _hold_messages(self) -> bool:
        """Hold messages until the client disconnects (return true) or they are too large (return false)."""
        held_bytes = 0
        while held_bytes < _MAX_HELD_BYTES:
            message = await self._websocket.receive()
            self._held.append(message)
            if message["type"] == "websocket.disconnect":
                return True
            held_bytes += len(message.get("bytes") or message.get("text") or "")
        return False

    async def _send(self, message: WireMessage | None) -> None:
        if message is None:
            return
        try:
            async with asyncio.timeout(self._limits.stall_s):
                if isinstance(message, str):
                    await self._websocket.send_text(message)
                else:
                    await self._websocket.send_bytes(message)
        except TimeoutError:
            raise _ClientStalled from None

    async def _fail(self, error: GatewayError) -> None:
        problem = _problem(error, self._websocket)
        self._metrics.errors.labels(error.type).inc()
        log.warning("live session aborted", type=error.type, error=error.message)
        position = self._session.spoken_position if self._session is not None else 0
        if problem.status in (429, 503):
            code = _TRY_AGAIN_LATER
        else:
            code = _POLICY_VIOLATION if problem.status < 500 else _INTERNAL_ERROR
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._send(self._dialect.failure(Failure(problem, error.retry_after_s, position)))
        except (WebSocketDisconnect, RuntimeError, ConnectionError, TimeoutError, _ClientStalled):
            return
        await self._close(code, error.type)

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, ConnectionError, TimeoutError):
            pass  # the client is gone


class _ClientStalled(Exception):
    """The client has not read for ``limits.stall_s``."""
