"""The worker's message channel to the gateway."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import zmq

from backends.wire import Message, ToWorker, decode_to_worker, encode


class Channel(ABC):
    """A bidirectional, ordered message channel. Used from one thread."""

    @abstractmethod
    def receive(self, wait_s: float) -> list[ToWorker]:
        """Return all pending messages; wait up to ``wait_s`` for the first.

        :raises WireError: if a frame is invalid.
        """

    @abstractmethod
    def send(self, messages: Sequence[Message]) -> None:
        """Send messages as one frame; an empty list sends nothing."""

    @abstractmethod
    def close(self) -> None:
        """Deliver pending messages and close the connection."""


class ZmqChannel(Channel):
    """A ZeroMQ PAIR socket, connected to a local address that the gateway has bound.

    :param address: e.g. ``ipc:///run/…/worker.sock``.
    """

    LINGER_MS = 2000  # time to deliver the reason of a fatal fault to the gateway

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
