"""The worker's end of the line to the gateway."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import zmq

from backends.wire import Message, ToWorker, decode_to_worker, encode


class Channel(ABC):
    """Messages in and out, in order. Used from one thread."""

    @abstractmethod
    def receive(self, wait_s: float) -> list[ToWorker]:
        """Everything that has arrived; waits up to ``wait_s`` for the first message.

        :raises WireError: when what arrived is no message.
        """

    @abstractmethod
    def send(self, messages: Sequence[Message]) -> None:
        """Send messages as one frame; nothing is sent for an empty list."""

    @abstractmethod
    def close(self) -> None:
        """Deliver what was sent, then hang up."""


class ZmqChannel(Channel):
    """A ZeroMQ pair over a local socket that the gateway has bound.

    :param address: e.g. ``ipc:///run/…/worker.sock``.
    """

    LINGER_MS = 2000  # so that the last words (why it is dying) still reach the gateway

    def __init__(self, address: str):
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PAIR)
        self._socket.linger = self.LINGER_MS
        self._socket.connect(address)

    def receive(self, wait_s: float) -> list[ToWorker]:
        """See :class:`Channel`."""
        messages: list[ToWorker] = []
        wait_ms = int(wait_s * 1000)
        while self._socket.poll(wait_ms):
            messages += decode_to_worker(self._socket.recv())
            wait_ms = 0
        return messages

    def send(self, messages: Sequence[Message]) -> None:
        """See :class:`Channel`."""
        if messages:
            self._socket.send(encode(messages))

    def close(self) -> None:
        """See :class:`Channel`."""
        self._socket.close()
        self._context.term()
