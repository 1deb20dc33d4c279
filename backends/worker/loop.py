"""The worker's main loop: say hello, load the engine, then receive, step and send until shutdown."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable

from backends import wire
from backends.base import Capabilities, DecodeJob, EncodeJob, Engine, Failed, Finished, Job
from backends.errors import BackendError, FatalFault, InvalidJob, LoadError
from backends.registry import Registry
from backends.worker.channel import Channel
from backends.worker.environment import move_endpoint_list

HEARTBEAT_S = 1.0
PROGRESS_INTERVAL_S = 0.2

log = logging.getLogger(__name__)


def serve(channel: Channel, registry: Registry) -> int:
    """Run one engine until the gateway sends a shutdown.

    :returns: the exit status: 0 after a shutdown, 1 if the engine cannot be loaded or fails fatally.
    """
    channel.send([wire.Hello(wire.PROTOCOL, os.getpid(), platform.python_version())])
    try:
        engine, capabilities = _load(channel, registry)
    except LoadError as error:
        log.error("cannot load: %s", error)
        channel.send([wire.Dying(str(error))])
        return 1
    channel.send([capabilities])
    try:
        Loop(engine, channel).run()
    except FatalFault as fault:
        log.critical("fatal fault of the engine: %s", fault)
        channel.send([wire.Dying(str(fault))])
        return 1
    engine.close()
    return 0


def _load(channel: Channel, registry: Registry) -> tuple[Engine, Capabilities]:
    """Load the engine of the first message; any failure is a ``LoadError``."""
    messages = channel.receive(wait_s=30.0)
    if not messages or not isinstance(messages[0], wire.Configure):
        raise LoadError("the gateway sent no configuration")
    configure = messages[0]
    sent_at = 0.0

    def progress(stage: str, done: int, total: int | None) -> None:
        nonlocal sent_at
        now = time.monotonic()
        if now - sent_at >= PROGRESS_INTERVAL_S or done == total:
            sent_at = now
            channel.send([wire.Loading(stage, done, total)])

    try:
        config = move_endpoint_list(configure.config, os.environ)
        engine = registry.engine_class(configure.backend)(config)
        return engine, engine.load(progress)
    except BackendError as error:
        raise LoadError(str(error)) from error
    except Exception as error:
        log.exception("unexpected failure while loading")
        raise LoadError(f"{type(error).__name__}: {error}") from error


class Loop:
    """Receive messages, step the engine, send its events; block on the channel when idle."""

    def __init__(self, engine: Engine, channel: Channel):
        self._engine = engine
        self._channel = channel
        self._active: set[str] = set()
        self._outbox: list[wire.Message] = []
        self._stopping = False
        self._steps = 0
        self._longest_step_s = 0.0
        self._heartbeat_at = 0.0

    def run(self) -> None:
        """Run until a shutdown message.

        :raises FatalFault: if the engine raises it, or any other exception from ``step``, after which the state of the
            other jobs is unknown.
        """
        while not self._stopping:
            try:
                for message in self._channel.receive(wait_s=0.0 if self._active else HEARTBEAT_S):
                    self._handle(message)
                if self._active:
                    self._step()
                self._send_heartbeat()
            finally:  # events from before a fatal fault are still sent
                self._channel.send(self._outbox)
                self._outbox.clear()

    def _handle(self, message: wire.ToWorker) -> None:
        match message:
            case Job():
                self._admit(message.id, lambda: self._engine.add(message))
            case EncodeJob() | DecodeJob():
                self._admit(message.id, lambda: self._engine.convert(message))
            case wire.AbortJob(job_id=job_id):
                self._active.discard(job_id)
                self._engine.abort(job_id)
            case wire.Shutdown():
                self._stopping = True
            case wire.Configure():
                raise FatalFault("configured twice")

    def _admit(self, job_id: str, admit: Callable[[], None]) -> None:
        try:
            admit()
        except InvalidJob as error:
            rejected = wire.JobRejected(job_id, error.message, error.param, error.needs_languages)
            self._outbox.append(rejected)
        except FatalFault:
            raise
        except Exception as error:
            log.exception("cannot start job %s", job_id)
            self._engine.abort(job_id)
            self._outbox.append(Failed(job_id, f"{type(error).__name__}: {error}"))
        else:
            self._active.add(job_id)

    def _step(self) -> None:
        started = time.monotonic()
        try:
            events = self._engine.step()
        except FatalFault:
            raise
        except Exception as error:
            log.exception("step() failed unexpectedly")
            raise FatalFault(f"{type(error).__name__}: {error}") from error
        self._steps += 1
        self._longest_step_s = max(self._longest_step_s, time.monotonic() - started)
        for event in events:
            if isinstance(event, Failed):
                log.warning("job %s failed: %s", event.job_id, event.message)
            if isinstance(event, Finished | Failed):
                self._active.discard(event.job_id)
        self._outbox += events

    def _send_heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._heartbeat_at >= HEARTBEAT_S:
            self._outbox.append(wire.Heartbeat(len(self._active), self._steps, self._longest_step_s))
            self._heartbeat_at, self._longest_step_s = now, 0.0
