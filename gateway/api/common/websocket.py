"""A live session over a WebSocket, whatever its messages look like.

Three tasks share a socket: one reads commands, one sends what comes of them, one waits for the gateway's end. The first
of them to end ends the session.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass

import structlog
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.api.common.deps import Services, admit, request_id
from gateway.api.common.errors import STATUS, Problem, headers
from gateway.errors import BodyTimeout, BodyTooLarge, ClientGone, GatewayError, InvalidRequest, SessionIdle
from gateway.service.live.events import Event, SegmentRefused
from gateway.service.live.session import LiveSession
from gateway.service.live.tasks import end_tasks
from gateway.service.request import VoiceSpec
from gateway.service.speech import SpeechInfo

log = structlog.get_logger(__name__)

GOING_AWAY = 1012  # service restart
_FINISHED, _POLICY, _BUG, _LATER = 1000, 1008, 1011, 1013
_FED_CHARS = 1000  # some two milliseconds of work
_CLOSE_S = 5.0  # for a last message and the close frame

Wire = str | bytes


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a session.

    :param text: the first text of the session.
    :param ignored: fields of the message that have no effect.
    """

    spec: VoiceSpec
    text: str = ""
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Further text."""

    text: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Speak what there is."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop speaking. :ivar played_s: how much was heard, where the client knows."""

    played_s: float | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Finish with what there is."""


Command = Start | Text | Flush | Interrupt | End


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a session ends early.

    :param spoken: the place in the text that the audio sent so far reaches.
    """

    problem: Problem
    retry_after_s: float | None
    spoken: int


class Dialect(ABC):
    """What the messages of one API look like."""

    @abstractmethod
    async def read(self, message: Wire) -> Command:
        """A client's message.

        :raises InvalidRequest: naming the field.
        """

    @abstractmethod
    def started(self, info: SpeechInfo, start: Start, request_id: str) -> Wire | None:
        """The answer to a start."""

    @abstractmethod
    def event(self, event: Event) -> Wire | None:
        """What a client is told of an event, if anything.

        :raises GatewayError: an event that this API knows as the end of everything.
        """

    @abstractmethod
    def failure(self, failure: Failure) -> Wire:
        """What a client is told before its session is closed early."""

    @staticmethod
    @abstractmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of the HTTP answer to a socket that is not accepted."""


async def converse(websocket: WebSocket, dialect: Dialect) -> None:
    """Accept a WebSocket and run a session over it, or refuse it with an HTTP response."""
    services: Services = websocket.app.state.services
    try:
        admit(websocket)
        with services.live.place():
            await websocket.accept()
            await _Conversation(websocket, services, dialect).run()
    except GatewayError as error:
        if websocket.application_state is not WebSocketState.CONNECTING:
            raise
        services.metrics.errors.labels(error.type).inc()
        body = dialect.envelope(_problem(error, websocket))
        await websocket.send_denial_response(JSONResponse(body, STATUS[type(error)], headers=headers(error)))


def _problem(error: GatewayError, websocket: WebSocket) -> Problem:
    return Problem(STATUS[type(error)], error.type, error.message, error.param, request_id(websocket))


class _Conversation:
    """One accepted socket."""

    def __init__(self, websocket: WebSocket, services: Services, dialect: Dialect):
        self._websocket = websocket
        self._sessions = services.live
        self._limits = services.settings.limits
        self._metrics = services.metrics
        self._dialect = dialect
        self._session: LiveSession | None = None

    async def run(self) -> None:
        """From the first message to the close frame."""
        outcome = GatewayError.type
        try:
            outcome = await self._converse()
        except (WebSocketDisconnect, ClientGone, ConnectionError):
            outcome = ClientGone.type
        except _Stalled:
            outcome = "client_stalled"
            log.warning("live session broken off", type=outcome, error=f"nothing read for {self._limits.stall_s:g} s")
        except GatewayError as error:
            outcome = error.type
            await self._fail(error)
        except asyncio.CancelledError:
            outcome = "shutdown"  # the server's patience has ended
            raise
        except Exception as error:
            log.error("unexpected error", exc_info=error)
            await self._fail(GatewayError("an unexpected error; the log has it under this request id"))
        finally:
            self._metrics.live_ended.labels(outcome).inc()

    async def _converse(self) -> str:
        start = await self._first()
        if start is None:
            await self._close(GOING_AWAY, "shutdown")
            return "shutdown"
        async with await self._sessions.open(start.spec) as session:
            self._session = session
            await self._send(self._dialect.started(session.info, start, request_id(self._websocket)))
            await self._feed(session, start.text)
            going_away = await self._session_ends(session)
        await self._close(*((GOING_AWAY, "shutdown") if going_away else (_FINISHED, "finished")))
        return "shutdown" if going_away else "finished"

    async def _first(self) -> Start | None:
        """What the session is to be like; None when the gateway ends before that is known."""
        receiving = asyncio.ensure_future(self._command(self._limits.body_s))
        draining = asyncio.ensure_future(self._sessions.draining.wait())
        try:
            await asyncio.wait({receiving, draining}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                return None
            command = receiving.result()
        except TimeoutError:
            raise BodyTimeout(f"no start came within {self._limits.body_s:g} s") from None
        finally:
            await end_tasks(receiving, draining)
        if not isinstance(command, Start):
            raise InvalidRequest("the first message must be a start", param="type")
        return command

    async def _session_ends(self, session: LiveSession) -> bool:
        """Serve it to its end; whether that is the gateway's end too."""
        telling = asyncio.ensure_future(self._tell(session))
        listening = asyncio.ensure_future(self._listen(session))
        leaving = asyncio.ensure_future(self._leave(session))
        try:
            done, _ = await asyncio.wait({telling, listening, leaving}, return_when=asyncio.FIRST_COMPLETED)
            for task in (listening, telling, leaving):  # a client that hung up explains why nothing could be sent
                if task in done:
                    task.result()
            return self._sessions.draining.is_set()
        finally:
            session.leave()
            await end_tasks(telling, listening, leaving)

    async def _tell(self, session: LiveSession) -> None:
        async for event in session.events():
            message = self._dialect.event(event)
            if isinstance(event, SegmentRefused):
                self._metrics.errors.labels(event.error.type).inc()
            await self._send(message)

    async def _listen(self, session: LiveSession) -> None:
        while True:
            try:
                command = await self._command(self._sessions.settings.idle_s)
            except TimeoutError:
                if session.busy:
                    continue
                idle_s = self._sessions.settings.idle_s
                raise SessionIdle(f"nothing was said or sent for {idle_s:g} s") from None
            match command:
                case Interrupt(played_s):
                    self._metrics.live_interruptions.inc()
                    await session.interrupt(played_s)
                case _ if self._sessions.draining.is_set():
                    pass  # what comes now is too late
                case Text(text):
                    await self._feed(session, text)
                case Flush():
                    session.flush()
                case End():
                    session.end()
                case Start():
                    raise InvalidRequest("the session has started already", param="type")

    async def _feed(self, session: LiveSession, text: str) -> None:
        for start in range(0, len(text), _FED_CHARS):
            session.feed(text[start : start + _FED_CHARS])
            await asyncio.sleep(0)  # others have their turn before a long text is taken in

    async def _leave(self, session: LiveSession) -> None:
        await self._sessions.draining.wait()
        session.wind_up()
        await self._sessions.over.wait()

    async def _command(self, within_s: float) -> Command:
        """The client's next message.

        :raises TimeoutError: none came in time.
        :raises WebSocketDisconnect: the client hung up.
        """
        async with asyncio.timeout(within_s):
            message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        data: Wire = message["bytes"] if message.get("bytes") is not None else message["text"]
        if len(data) > self._sessions.settings.message_bytes:
            raise BodyTooLarge(f"the message is larger than {self._sessions.settings.message_bytes} bytes")
        return await self._dialect.read(data)

    async def _send(self, message: Wire | None) -> None:
        if message is None:
            return
        try:
            async with asyncio.timeout(self._limits.stall_s):
                if isinstance(message, str):
                    await self._websocket.send_text(message)
                else:
                    await self._websocket.send_bytes(message)
        except TimeoutError:
            raise _Stalled from None

    async def _fail(self, error: GatewayError) -> None:
        problem = _problem(error, self._websocket)
        self._metrics.errors.labels(error.type).inc()
        log.warning("live session broken off", type=error.type, error=error.message)
        spoken = self._session.spoken if self._session is not None else 0
        code = _LATER if problem.status in (429, 503) else _POLICY if problem.status < 500 else _BUG
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._send(self._dialect.failure(Failure(problem, error.retry_after_s, spoken)))
        except (WebSocketDisconnect, RuntimeError, ConnectionError, TimeoutError, _Stalled):
            return
        await self._close(code, error.type)

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, ConnectionError, TimeoutError):
            pass  # nobody is left to be told


class _Stalled(Exception):
    """The client reads nothing."""
