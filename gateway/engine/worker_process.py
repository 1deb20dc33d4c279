"""One worker process with its socket and its jobs. It is not restarted: the supervisor starts a new one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import zmq

from backends import wire
from backends.base import AudioChunk, Capabilities, CodesChunk, EngineConfig, Failed, Finished, Trace
from backends.errors import InvalidJob, WireError
from gateway.engine.client import EngineOutput, LoadProgress, Work
from gateway.errors import EngineUnavailable, SynthesisFailed

log = structlog.get_logger(__name__)

SOCKET = "socket"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - folders in it are private, see mkdtemp
MAX_ADDRESS_BYTES = 100  # path of a Unix socket; Linux allows 107
DEFAULT_ENV = {
    # OpenMP threads spin while they wait for each other. With libgomp's default (300,000 turns or more), two workers
    # that share cores lose three quarters of their speed; with this value, one worker alone loses nothing measurable.
    "GOMP_SPINCOUNT": "3000",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime 1.31 collects figures of its use for Microsoft unless it is set
}
HANDSHAKE_TIMEOUT_S = 60.0  # start of an interpreter on a loaded machine; an engine is imported after the handshake


class WorkerError(Exception):
    """The worker could not start, could not load, or died."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """Command, environment and engine configuration of a worker.

    :param python: interpreter; None for the gateway's own.
    :param env: variables in addition to the gateway's environment.
    :param load_timeout_s: maximum time between messages of a loading worker.
    :param heartbeat_timeout_s: maximum time between messages of a loaded worker.
    """

    backend: str
    config: EngineConfig
    python: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    load_timeout_s: float = 900.0
    heartbeat_timeout_s: float = 60.0


_Inbox = asyncio.Queue[EngineOutput | None | Exception]


class WorkerProcess:
    """A worker: call :meth:`start`, then :meth:`load`, then :meth:`run` jobs until it is dead.

    :ivar dead: result is the reason of the worker's exit.
    """

    def __init__(self, spec: WorkerSpec, process: asyncio.subprocess.Process, socket: zmq.Socket[bytes], folder: str):
        self._spec = spec
        self._process = process
        self._socket = socket
        self._folder = folder
        self._inboxes: dict[str, _Inbox] = {}
        self._outbox: list[bytes] = []
        self._connected = False
        self._read_scheduled = False
        self._loop = asyncio.get_running_loop()
        self._last_message_at = self._loop.time()
        self._message_timeout_s = HANDSHAKE_TIMEOUT_S
        self._capabilities: asyncio.Future[Capabilities] = self._loop.create_future()
        self._on_progress: Callable[[LoadProgress], None] = lambda _: None
        self._exit_reason: str | None = None
        self._last_stderr_line: str | None = None
        self._log = log.bind(engine=spec.config.name, worker_pid=process.pid)
        self._loop.add_reader(socket.fileno(), self._read_messages)
        self._stderr = asyncio.create_task(self._read_stderr())
        self.dead: asyncio.Future[str] = self._loop.create_future()
        self._watcher = asyncio.create_task(self._watch())

    @classmethod
    async def start(cls, spec: WorkerSpec) -> WorkerProcess:
        """Spawn the process.

        :raises WorkerError: if the interpreter cannot be run.
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
                    env={**DEFAULT_ENV, **os.environ, **_thread_limits(spec.config.threads), **spec.env},
                    stdin=asyncio.subprocess.PIPE,  # held open: the worker exits when the gateway does
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C in a terminal reaches only the gateway, which drains first
                )
            except OSError as error:
                raise WorkerError(f"cannot run {python}: {error.strerror}") from None
            undo.pop_all()
        return cls(spec, process, socket, folder)

    def memory_bytes(self) -> int | None:
        """Resident memory of the process; None where there is no ``/proc``."""
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def load(self, on_progress: Callable[[LoadProgress], None]) -> Capabilities:
        """Send the configuration and wait until the engine is loaded.

        :raises WorkerError: if loading fails, the worker dies, or it sends no message in time.
        """
        self._on_progress = on_progress
        self._send(wire.Configure(self._spec.backend, self._spec.config))
        either: set[asyncio.Future[Any]] = {self._capabilities, self.dead}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._capabilities.done():
            return self._capabilities.result()
        raise WorkerError(self.dead.result())

    @contextlib.contextmanager
    def run(self, job: Work) -> Iterator[_Inbox]:
        """Run a job: the queue of its outputs, then of None or an error. Leaving the context early aborts the job."""
        if self.dead.done():
            raise EngineUnavailable(f"the worker has just died: {self.dead.result()}", retry_after_s=1.0)
        inbox: _Inbox = asyncio.Queue()
        self._inboxes[job.id] = inbox
        try:
            self._send(job)
            yield inbox
        finally:
            # Still present: the job has not ended, so the caller left early.
            if self._inboxes.pop(job.id, None) is not None and not self.dead.done():
                self._send(wire.AbortJob(job.id))

    async def stop(self, grace_s: float = 5.0) -> None:
        """Ask a loaded worker to close its engine and exit. Kill it after ``grace_s``, or if it is still loading."""
        if self._capabilities.done() and not self.dead.done():
            self._send(wire.Shutdown())
            await asyncio.wait({self.dead}, timeout=grace_s)
        await self.kill("stopped")

    async def kill(self, reason: str) -> None:
        """Kill the worker's process group and wait for its exit."""
        self._kill(reason)
        await self._watcher

    def _kill(self, reason: str) -> None:
        self._exit_reason = self._exit_reason or reason
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, message: wire.Message) -> None:
        """Queue a message for the end of this turn of the event loop.

        Nothing is sent before the worker has connected, because ZeroMQ refuses messages until then.
        """
        self._outbox.append(wire.encode([message]))
        if self._connected and len(self._outbox) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._socket.closed:
            return
        with contextlib.suppress(zmq.Again):  # the worker has just exited
            for frame in self._outbox:
                self._socket.send(frame, zmq.NOBLOCK)
        self._outbox.clear()
        self._read_messages()  # ZeroMQ's descriptor is edge-triggered: send() may have consumed the edge

    def _read_messages(self) -> None:
        """Dispatch the messages of one frame; a malformed one kills the worker.

        Further frames wait for the next turn of the event loop, so that a busy engine does not block it.
        """
        if self._socket.closed:
            return
        try:
            frame = self._socket.recv(zmq.NOBLOCK)
            self._last_message_at = self._loop.time()
            for message in wire.decode_from_worker(frame):
                self._dispatch(message)
            if not self._read_scheduled:
                self._read_scheduled = True
                self._loop.call_soon(self._read_scheduled_messages)
        except zmq.Again:
            return
        except WireError as error:
            self._disconnect_and_kill(str(error))
        except Exception as error:  # noqa: BLE001 - after any error the state of the worker's jobs is unknown
            self._log.exception("cannot handle a worker's message")
            self._disconnect_and_kill(f"the gateway could not handle a message: {error!r}")

    def _read_scheduled_messages(self) -> None:
        self._read_scheduled = False
        self._read_messages()

    def _disconnect_and_kill(self, reason: str) -> None:
        self._close_socket()
        self._kill(reason)

    def _close_socket(self) -> None:
        if not self._socket.closed:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _dispatch(self, message: wire.FromWorker) -> None:
        match message:
            case AudioChunk() | CodesChunk() | Trace():
                if inbox := self._inboxes.get(message.job_id):
                    inbox.put_nowait(message)
            case Finished(job_id=job_id):
                self._finish(job_id, None)
            case Failed(job_id=job_id):
                self._finish(job_id, SynthesisFailed(f"the engine failed on this request: {message.message}"))
            case wire.JobRejected(job_id=job_id):
                error = InvalidJob(message.message, param=message.param, needs_languages=message.needs_languages)
                self._finish(job_id, error)
            case wire.Loading():
                self._on_progress(LoadProgress(message.stage, message.done, message.total))
            case Capabilities():
                self._message_timeout_s = self._spec.heartbeat_timeout_s
                if not self._capabilities.done():
                    self._capabilities.set_result(message)
            case wire.Hello(protocol=protocol):
                self._message_timeout_s = self._spec.load_timeout_s
                _remove(self._folder)  # no longer needed, and must not remain after a crash
                if protocol != wire.PROTOCOL:
                    raise WireError(
                        f"the worker ({self._spec.python}) speaks protocol {protocol}, the gateway {wire.PROTOCOL}: "
                        "install the same version of voxgate in both"
                    )
                self._connected = True
                self._loop.call_soon(self._flush)
            case wire.Dying():
                self._exit_reason = message.message
            case wire.Heartbeat():
                self._log.debug("heartbeat", active=message.active_jobs, steps=message.steps, step_s=message.step_s)

    def _finish(self, job_id: str, error: Exception | None) -> None:
        if inbox := self._inboxes.pop(job_id, None):
            inbox.put_nowait(error)

    async def _read_stderr(self) -> None:
        """Forward the worker's log records; keep the last other line to explain a crash."""
        assert self._process.stderr is not None  # noqa: S101 - opened as a pipe
        rest = b""
        while data := await self._process.stderr.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-65536:]  # bounds the memory that an endless line takes
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
            self._last_stderr_line = line  # not a log record: a traceback or a library's message
            self._log.info("worker", line=line)

    async def _watch(self) -> None:
        """Wait for the exit of the process, clean up, and fail its jobs."""
        reason = "the worker could not be watched"
        try:
            reason = await self._wait_for_exit()
        except Exception:  # noqa: BLE001 - after any error, ``dead`` must get a result
            self._log.exception("cannot watch the worker")
            self._kill(reason)
        finally:
            self._stderr.cancel()
            self._close_socket()
            _remove(self._folder)
            self.dead.set_result(reason)
            for job_id in list(self._inboxes):
                self._finish(job_id, SynthesisFailed(f"the engine's worker died during this request: {reason}"))

    async def _wait_for_exit(self) -> str:
        """Wait for the exit of the process and return its reason; kill it after too long a silence."""
        exited = asyncio.create_task(self._process.wait())
        while not exited.done():
            silent_s = self._loop.time() - self._last_message_at
            limit_s = self._message_timeout_s
            if silent_s > limit_s:
                self._kill(f"no message from the worker for {silent_s:.1f} s (limit: {limit_s:g} s)")
            await asyncio.wait({exited}, timeout=min(1.0, max(0.05, limit_s - silent_s)))
        await asyncio.wait({self._stderr}, timeout=1.0)
        await asyncio.sleep(0.05)  # the socket may still hold last messages: Dying, finished jobs
        return self._explain_exit(exited.result())

    def _explain_exit(self, status: int) -> str:
        how = f"killed by {_signal_name(-status)}" if status < 0 else f"exit status {status}"
        reason = self._exit_reason or self._last_stderr_line
        return f"{reason} ({how})" if reason else how


def _thread_limits(threads: int | None) -> dict[str, str]:
    """Environment variables that numeric libraries read once, on import."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) if threads else {}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _private_folder() -> str:
    """Create a folder for the socket, with mode 0700 so that other users cannot reach it.

    :raises WorkerError: if it cannot be created.
    """
    try:
        try:
            folder = tempfile.mkdtemp(prefix="voxgate-")
        except OSError:  # a read-only container; Docker leaves this folder writable
            folder = tempfile.mkdtemp(prefix="voxgate-", dir=SHARED_MEMORY)
        if len(os.fsencode(folder)) + len(SOCKET) + 1 > MAX_ADDRESS_BYTES:
            _remove(folder)
            folder = tempfile.mkdtemp(prefix="voxgate-", dir="/tmp")
    except OSError as error:
        raise WorkerError(f"cannot create a folder for the worker's socket: {error.strerror}") from None
    return folder


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        Path(folder, SOCKET).unlink(missing_ok=True)
        Path(folder).rmdir()
