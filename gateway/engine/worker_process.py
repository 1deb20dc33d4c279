"""One running worker: its process, its socket, the jobs it holds. It lives once; the supervisor starts the next."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import zmq

from backends import wire
from backends.base import Capabilities, EngineConfig, Job
from backends.errors import InvalidJob, WireError
from gateway.engine.client import EngineOutput, LoadProgress, Work
from gateway.errors import EngineUnavailable, SynthesisFailed

log = structlog.get_logger(__name__)

SOCKET = "socket"
LONGEST_ADDRESS = 100  # bytes of a path that a Unix socket can be bound to, with some to spare
# OpenMP threads spin when they wait for each other. libgomp's own patience (300,000 turns and more) costs two workers
# that share cores three quarters of their speed; this one costs a worker alone nothing that can be measured.
OPENMP_ENV = {"GOMP_SPINCOUNT": "3000"}
FRAMES_AT_ONCE = 8  # read before other work on the event loop has a turn
HANDSHAKE_S = 60.0  # starting an interpreter on a loaded machine; importing an engine happens after the greeting


class WorkerError(Exception):
    """The worker could not be started, could not load, or is dead."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How to start a worker and what it is to be.

    :param python: interpreter; None for the gateway's own.
    :param env: variables on top of the gateway's environment.
    :param load_timeout_s: how long loading may be silent.
    :param heartbeat_timeout_s: how long a loaded worker may be silent.
    """

    backend: str
    config: EngineConfig
    python: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    load_timeout_s: float = 900.0
    heartbeat_timeout_s: float = 60.0


_Inbox = asyncio.Queue[EngineOutput | None | Exception]


class WorkerProcess:
    """Started by :meth:`start`, loaded by :meth:`load`; then :meth:`submit` until it is dead.

    :ivar dead: done with the reason when the worker has ended, for whatever cause.
    """

    def __init__(self, spec: WorkerSpec, process: asyncio.subprocess.Process, socket: zmq.Socket[bytes], folder: str):
        self._spec = spec
        self._process = process
        self._socket = socket
        self._folder = folder
        self._inboxes: dict[str, _Inbox] = {}
        self._outbox: list[bytes] = []
        self._greeted = False
        self._read_scheduled = False
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._patience_s = HANDSHAKE_S
        self._capabilities: asyncio.Future[Capabilities] = self._loop.create_future()
        self._on_progress: Callable[[LoadProgress], None] = lambda _: None
        self._last_words: str | None = None
        self._last_line: str | None = None
        self._log = log.bind(engine=spec.config.name, worker_pid=process.pid)
        self._loop.add_reader(socket.fileno(), self._read_messages)
        self._stderr = asyncio.create_task(self._read_stderr())
        self.dead: asyncio.Future[str] = self._loop.create_future()
        self._watcher = asyncio.create_task(self._watch())

    @classmethod
    async def start(cls, spec: WorkerSpec) -> WorkerProcess:
        """Spawn the process.

        :raises WorkerError: when the interpreter cannot be run.
        """
        python = spec.python or sys.executable
        with contextlib.ExitStack() as undo:
            folder = _private_folder()
            undo.callback(_remove, folder)
            address = f"ipc://{folder}/{SOCKET}"
            socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PAIR)
            undo.callback(socket.close)
            socket.linger = 0
            socket.sndhwm = 0  # sending never blocks; admission bounds the jobs
            socket.bind(address)
            try:
                process = await asyncio.create_subprocess_exec(
                    python,
                    "-P",
                    "-m",
                    "backends.worker",
                    "--address",
                    address,
                    env={**OPENMP_ENV, **os.environ, **_thread_limits(spec.config.threads), **spec.env},
                    stdin=asyncio.subprocess.PIPE,  # held open: the worker leaves when the gateway is gone
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C in a terminal reaches the gateway only, which drains first
                )
            except OSError as error:
                raise WorkerError(f"cannot run {python}: {error.strerror}") from None
            undo.pop_all()
        return cls(spec, process, socket, folder)

    async def load(self, on_progress: Callable[[LoadProgress], None]) -> Capabilities:
        """Tell the worker what to be and wait until it is.

        :raises WorkerError: it cannot load, or died, or was silent for too long.
        """
        self._on_progress = on_progress
        self._send(wire.Configure(self._spec.backend, self._spec.config))
        either: set[asyncio.Future[Any]] = {self._capabilities, self.dead}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._capabilities.done():
            return self._capabilities.result()
        raise WorkerError(self.dead.result())

    @property
    def active_jobs(self) -> int:
        """Jobs that were sent and have not ended."""
        return len(self._inboxes)

    async def submit(self, job: Work) -> AsyncGenerator[EngineOutput, None]:
        """See :meth:`gateway.engine.client.EngineClient.submit` and ``convert``."""
        if self.dead.done():
            raise EngineUnavailable(f"the worker has just died: {self.dead.result()}", retry_after_s=1.0)
        inbox: _Inbox = asyncio.Queue()
        self._inboxes[job.id] = inbox
        try:
            self._send(wire.add_job(job) if isinstance(job, Job) else wire.codec_job(job))
            while (item := await inbox.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            # Still listed: the job has not ended, so whoever listened has left.
            if self._inboxes.pop(job.id, None) is not None and not self.dead.done():
                self._send(wire.AbortJob(job.id))

    async def stop(self, grace_s: float = 5.0) -> None:
        """Ask a loaded worker to close its engine and leave; after ``grace_s``, or while loading, it is killed."""
        if self._capabilities.done() and not self.dead.done():
            self._send(wire.Shutdown())
            await asyncio.wait({self.dead}, timeout=grace_s)
        await self.kill("stopped")

    async def kill(self, reason: str) -> None:
        """End the worker's process group now and wait until it is gone."""
        self._kill(reason)
        await self._watcher

    def _kill(self, why: str) -> None:
        self._last_words = self._last_words or why
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, message: wire.Message) -> None:
        """Queue a message for the end of this turn of the event loop, or for the worker's greeting: ZeroMQ has no place
        for messages until it is connected.
        """
        self._outbox.append(wire.encode([message]))
        if self._greeted and len(self._outbox) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._socket.closed:
            return
        with contextlib.suppress(zmq.Again):  # the worker has just ended
            for frame in self._outbox:
                self._socket.send(frame, zmq.NOBLOCK)
        self._outbox.clear()
        self._read_messages()  # sending may have taken the descriptor's only signal that messages have arrived

    def _read_messages(self) -> None:
        """Dispatch the messages of one frame; one that cannot be read or handled ends the worker. Further frames wait
        for the next turn of the event loop: a talkative engine must not keep it.
        """
        if self._socket.closed:
            return
        try:
            frame = self._socket.recv(zmq.NOBLOCK)
            self._heard_at = self._loop.time()
            for message in wire.decode_from_worker(frame):
                self._dispatch(message)
            if not self._read_scheduled:
                self._read_scheduled = True
                self._loop.call_soon(self._read_scheduled_messages)
        except zmq.Again:
            return
        except WireError as error:
            self._hang_up(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, this worker cannot be followed any more
            self._log.exception("cannot handle a worker's message")
            self._hang_up(f"the gateway could not handle a message: {error!r}")

    def _read_scheduled_messages(self) -> None:
        self._read_scheduled = False
        self._read_messages()

    def _hang_up(self, why: str) -> None:
        self._close_socket()
        self._kill(why)

    def _close_socket(self) -> None:
        if not self._socket.closed:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _dispatch(self, message: wire.FromWorker) -> None:
        match message:
            case wire.AudioPart(job_id=job_id):
                if inbox := self._inboxes.get(job_id):
                    inbox.put_nowait(wire.audio_chunk(message))
            case wire.CodesPart(job_id=job_id):
                if inbox := self._inboxes.get(job_id):
                    inbox.put_nowait(wire.codes_chunk(message))
            case wire.JobDone(job_id=job_id):
                self._end(job_id, None)
            case wire.JobRejected(job_id=job_id):
                error = InvalidJob(message.message, param=message.param, needs_languages=message.needs_languages)
                self._end(job_id, error)
            case wire.JobBroke(job_id=job_id):
                self._end(job_id, SynthesisFailed(f"the engine failed on this request: {message.message}"))
            case wire.Loading():
                self._on_progress(LoadProgress(message.stage, message.done, message.total))
            case wire.Ready():
                self._patience_s = self._spec.heartbeat_timeout_s
                if not self._capabilities.done():
                    self._capabilities.set_result(wire.capabilities(message))
            case wire.Hello(protocol=protocol):
                self._patience_s = self._spec.load_timeout_s
                _remove(self._folder)  # connected: nothing is left on the disk, however this ends
                self._greeted = True
                self._loop.call_soon(self._flush)
                if protocol != wire.PROTOCOL:
                    raise WireError(
                        f"the worker ({self._spec.python}) speaks protocol {protocol}, this gateway {wire.PROTOCOL}: "
                        "install the same voxgate version in both"
                    )
            case wire.LoadFailed() | wire.Dying():
                self._last_words = message.message
            case wire.Heartbeat():
                self._log.debug("heartbeat", active=message.active_jobs, steps=message.steps, step_s=message.step_s)

    def _end(self, job_id: str, outcome: Exception | None) -> None:
        if inbox := self._inboxes.pop(job_id, None):
            inbox.put_nowait(outcome)

    async def _read_stderr(self) -> None:
        """Fold the worker's log lines into the gateway's; keep the last stray one to explain a crash."""
        assert self._process.stderr is not None  # noqa: S101 - it was opened as a pipe
        rest = b""
        while data := await self._process.stderr.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-65536:]  # a line without end must not fill the memory
            for line in lines:
                self._log_line(line.decode(errors="replace"))
        if rest:
            self._log_line(rest.decode(errors="replace"))

    def _log_line(self, line: str) -> None:
        if not line.strip():
            return
        try:
            fields = json.loads(line)
            level, event = str(fields.pop("level")), str(fields.pop("event"))
            getattr(self._log, level)(event, **{f"worker_{key}": value for key, value in fields.items()})
        except (ValueError, AttributeError, KeyError, TypeError):
            self._last_line = line  # not of our format: a traceback or a library's cry
            self._log.info("worker", line=line)

    async def _watch(self) -> None:
        """Wait for the end of the process, ending it when it is silent for too long; then tell everyone."""
        reason = "it could not be watched"
        try:
            reason = await self._watch_until_dead()
        except Exception:  # noqa: BLE001 - whoever waits for this worker must hear of its end
            self._log.exception("cannot watch the worker")
            self._kill(reason)
        finally:
            self._stderr.cancel()
            self._close_socket()
            _remove(self._folder)
            self.dead.set_result(reason)
            for job_id in list(self._inboxes):
                self._end(job_id, SynthesisFailed(f"the engine's worker died over this request: {reason}"))

    async def _watch_until_dead(self) -> str:
        exited = asyncio.create_task(self._process.wait())
        while not exited.done():
            silent_s = self._loop.time() - self._heard_at
            if silent_s > self._patience_s:
                self._kill(f"no sign of life for {silent_s:.1f} s")
            await asyncio.wait({exited}, timeout=min(1.0, max(0.05, self._patience_s - silent_s)))
        await asyncio.wait({self._stderr}, timeout=1.0)
        await asyncio.sleep(0.05)  # last messages may still be in the socket: LoadFailed, Dying, finished jobs
        return self._reason(exited.result())

    def _reason(self, status: int) -> str:
        how = f"killed by {_signal_name(-status)}" if status < 0 else f"exit status {status}"
        words = self._last_words or self._last_line
        return f"{words} ({how})" if words else how


def _thread_limits(threads: int | None) -> dict[str, str]:
    """Numeric libraries read these once, when they are imported."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) if threads else {}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _private_folder() -> str:
    """A new folder, mode 0700, so that no other user can reach the socket in it.

    :raises WorkerError: when none can be made.
    """
    try:
        folder = tempfile.mkdtemp(prefix="voxgate-")
        if len(os.fsencode(folder)) + len(SOCKET) + 1 > LONGEST_ADDRESS:
            _remove(folder)
            folder = tempfile.mkdtemp(prefix="voxgate-", dir="/tmp")
    except OSError as error:
        raise WorkerError(f"no folder for the worker's socket: {error.strerror}") from None
    return folder


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        Path(folder, SOCKET).unlink(missing_ok=True)
        Path(folder).rmdir()
