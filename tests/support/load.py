"""Concurrent load on a real gateway in which every answer is compared with the bytes it had alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from support.faults_full import FULL
from support.gateway_process import Gateway

SECRET = "a sentence that lasts"  # in most texts; no log and no error may have it
TEXT = f"This is {SECRET}. "
LANGUAGES = ("am", "te", "kn", "de", "hi", "zh", "ja", "ar")
HANG_S = 45  # no fault may keep an answer for longer

ENGINES = {
    "lite": {"backend": "lite", "load": "eager", "threads": 1, "backoff_s": 0.1},
    "tone": {
        "backend": "tone",
        "load": "eager",
        "backoff_s": 0.1,
        "heartbeat_timeout_s": 8,
        "model": {"languages": ["en", *LANGUAGES]},
        "defaults": {"step_s": 0.002},
    },
}
CONFIG = {"port": 0, "default_engine": "lite", "engines": ENGINES}


@dataclass(frozen=True)
class Question:
    """A request whose answer has the same bytes each time."""

    path: str
    body: dict[str, Any]


TONE: dict[str, Any] = {"engine": "tone", "text": TEXT, "seed": 1}
QUESTIONS = (
    Question("/tts", TONE),
    Question("/tts", {**TONE, "format": "pcm", "stream": True}),
    Question("/tts", {**TONE, "format": "flac", "voice": "high"}),
    Question("/tts", {**TONE, "format": "mp3", "stream": True, "seed": 2}),
    Question("/tts", {"text": "The lite engine speaks.", "seed": 1}),
    Question("/tts", {"text": f"One. {'9' * 40} is long.", "seed": 2, "stream": True, "normalize": False}),
    Question("/v1/audio/speech", {"model": "tone", "voice": "low", "input": TEXT, "seed": 3, "response_format": "wav"}),
    Question("/v1/audio/speech", {"model": "lite", "voice": "heart", "input": "Hello there.", "seed": 4}),
    Question("/v1/tts", {"text": TEXT, "seed": 5, "format": "wav"}),
    Question("/invocations", {**TONE, "seed": 6}),
)


@dataclass
class Counts:
    """Answers by what became of them.

    :ivar refused: complete answers that say what went wrong, by status.
    :ivar broken: connections that ended visibly before the answer was complete, by the client's error.
    :ivar wrong: complete answers with other bytes than alone, and errors without a type.
    """

    right: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.right} right"]
        parts += [f"{count} × {kind}" for kind, count in sorted(self.refused.items())]
        parts += [f"{sum(self.broken.values())} broken visibly"] if self.broken else []
        return ", ".join([*parts, f"{len(self.wrong)} wrong, {len(self.hung)} hung"])


class Load:
    """Clients that ask the questions in turn, each on connections of its own."""

    def __init__(
        self, gateway: Gateway, headers: dict[str, str] | None = None, questions: Sequence[Question] = QUESTIONS
    ) -> None:
        self.gateway = gateway
        self._headers = headers
        self.questions = questions
        self.counts = Counts()
        self._known: dict[str, bytes] = {}
        self._stopping = False

    async def learn(self) -> None:
        """Record the answer of each question asked alone, once."""
        if self._known:
            return
        async with self._client() as client:
            for question in self.questions:
                response = await client.post(question.path, json=question.body)
                assert response.status_code == 200, response.text
                self._known[_key(question)] = response.content

    @contextlib.asynccontextmanager
    async def running(self, clients: int = 6) -> AsyncIterator[Load]:
        """Ask during the context; at its end every answer has arrived."""
        await self.learn()
        self._stopping = False
        tasks = [asyncio.create_task(self._ask_on(number)) for number in range(clients)]
        try:
            yield self
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)

    async def more_right(self, count: int = 20 if FULL else 8, timeout_s: float = 60) -> None:
        """Wait for further right answers."""
        goal = self.counts.right + count
        async with asyncio.timeout(timeout_s):
            while self.counts.right < goal:
                await asyncio.sleep(0.02)

    async def each_right(self, timeout_s: float = 30) -> None:
        """Ask every question alone until its answer is right."""
        async with asyncio.timeout(timeout_s), self._client() as client:
            for question in self.questions:
                while True:
                    before = self.counts.right
                    await self._ask(client, question)
                    if self.counts.right > before:
                        break
                    await asyncio.sleep(0.05)

    def check(self) -> None:
        """No answer was wrong and none hung."""
        assert not self.counts.wrong, self.counts.wrong[:3]
        assert not self.counts.hung, self.counts.hung[:3]

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.gateway.url, headers=self._headers, timeout=HANG_S, trust_env=False)

    async def _ask_on(self, number: int) -> None:
        async with self._client() as client:
            while not self._stopping:
                await self._ask(client, self.questions[number % len(self.questions)])
                number += 1

    async def _ask(self, client: httpx.AsyncClient, question: Question) -> None:
        counts = self.counts
        try:
            response = await client.post(question.path, json=question.body)
        except httpx.TimeoutException:
            counts.hung.append(question.path)
        except httpx.ConnectError:  # the gateway has closed its port
            await asyncio.sleep(0.1)
        except httpx.HTTPError as error:
            counts.broken[type(error).__name__] += 1
            await asyncio.sleep(0.02)
        else:
            if response.status_code == 200:
                if response.content == self._known[_key(question)]:
                    counts.right += 1
                else:
                    counts.wrong.append(f"{question}: {len(response.content)} bytes")
            elif is_typed(response):
                counts.refused[str(response.status_code)] += 1
                await asyncio.sleep(0.02)
            else:
                counts.wrong.append(f"{question}: {response.status_code} {response.text[:200]}")


def is_typed(response: httpx.Response) -> bool:
    """Whether an error names the fault in its dialect's envelope, and quotes no text."""
    try:
        body = response.json()
        return bool(body.get("message") or body["error"]["message"]) and SECRET not in response.text
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _key(question: Question) -> str:
    return json.dumps([question.path, question.body])


@dataclass(frozen=True)
class Resources:
    """Processes, threads, descriptors and files of a gateway and its workers."""

    processes: int
    threads: int
    descriptors: int
    files: tuple[str, ...]

    @classmethod
    def of(cls, gateway: Gateway, *folders: Path) -> Resources:
        family = [process for process in processes(gateway) if process.is_running()]
        return cls(
            len(family),
            sum(process.num_threads() for process in family),
            sum(process.num_fds() for process in family),
            tuple(sorted(str(path) for folder in folders for path in folder.rglob("*"))),
        )


def processes(gateway: Gateway) -> list[psutil.Process]:
    """The gateway and its descendants."""
    parent = psutil.Process(gateway.process.pid)
    return [parent, *parent.children(recursive=True)]


def worker_of(gateway: Gateway, engine: str) -> psutil.Process:
    """The worker of lite, which has ONNX Runtime in memory, or of tone, which has not."""
    for process in processes(gateway)[1:]:
        with contextlib.suppress(psutil.Error, OSError):
            maps = Path(f"/proc/{process.pid}/maps").read_text()
            if "backends.worker" in process.cmdline() and ("onnxruntime" in maps) == (engine == "lite"):
                return process
    raise AssertionError(f"no worker of {engine}")
