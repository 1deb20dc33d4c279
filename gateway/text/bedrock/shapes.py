"""Response formats of models on Amazon Bedrock, as types for msgspec; keys that are not listed are skipped.

A complete response and an event of a stream are one type, because no key means different things in them.
"""

from __future__ import annotations

from contextvars import ContextVar

import msgspec
from msgspec import Raw, field

MAX_OBJECTS = 150_000  # in one response: 50,000 events of Converse
_ABSENT = Raw()

objects_left: ContextVar[int] = ContextVar("objects_left")
"""Number of objects that the response under way may still have, over all levels of nesting."""


class _Object(msgspec.Struct, gc=False):
    def __post_init__(self) -> None:
        left = objects_left.get() - 1
        objects_left.set(left)
        if left < 0:
            raise ValueError(f"has too many objects: the limit is {MAX_OBJECTS:,}")


class Stopped(_Object):
    """An object that may have the reason why the model stopped."""

    stop_reason: str | None = None
    stop_reason_camel: str | None = field(default=None, name="stopReason")
    finish_reason: str | None = None
    completion_reason: str | None = field(default=None, name="completionReason")

    @property
    def reason(self) -> str:
        """The reason, or an empty string."""
        return self.stop_reason_camel or self.stop_reason or self.finish_reason or self.completion_reason or ""


class Failure(_Object):
    """An error that the model reports."""

    message: str | None = None


class _Text(_Object):
    text: str = ""


class _Citations(_Object):
    content: list[_Text] = []


class Block(_Object):
    """A block of a message's content, or a part of one."""

    type: str | None = None  # in Converse the key is the block's type
    text: str | None = None
    citations: _Citations | None = field(default=None, name="citationsContent")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text is None and self.type in ("text", "output_text"):
            raise ValueError("a text block must have a string `text`")

    @property
    def spoken(self) -> str | None:
        """The text; None for reasoning, tool use, an image …"""
        if self.type is not None:
            return self.text if self.type in ("text", "output_text") else None
        if self.text is None and self.citations:
            return "".join(part.text for part in self.citations.content)
        return self.text


Content = str | list[Block] | None


class Message(_Object):
    """A message, or the part of one in a stream's event."""

    content: Content = None


class Choice(Stopped):
    """OpenAI's format; Mistral's chunks have complete messages."""

    index: int = 0
    delta: Message | None = None
    message: Message | None = None


class Item(_Object):
    """An item of OpenAI's Responses: a message, reasoning or a tool call."""

    type: str | None = None
    content: Content = None


class Output(_Object):
    """The output of Converse and Nova."""

    message: Message


class _Result(Stopped, kw_only=True):
    text: str = field(name="outputText")


class _MistralOutput(Stopped, kw_only=True):
    text: str


class _BlockStart(_Object):
    start: Raw = _ABSENT  # text blocks have none
    index: int = field(default=0, name="contentBlockIndex")


class Delta(Stopped):
    """The new part of a block."""

    type: str | None = None
    text: str | None = None
    citation: Raw = _ABSENT


class _BlockDelta(_Object):
    delta: Delta
    index: int = field(default=0, name="contentBlockIndex")


class _Chunk(_Object):
    data: bytes = field(name="bytes")  # base64


class _Failed(_Object):
    error: Failure | str | None = None


class Answer(Stopped):
    """A complete response or an event, of any model."""

    type: str | None = None
    # Complete responses; some are chunks too.
    output: Output | list[Item] | None = None
    content: Content = None
    results: list[_Result] | None = None
    generation: str | None = None
    outputs: list[_MistralOutput] | None = None
    choices: list[Choice] | None = None
    # Events of Converse and Nova, and of Titan.
    message_start: Raw = field(default=_ABSENT, name="messageStart")
    block_start: _BlockStart | None = field(default=None, name="contentBlockStart")
    block_delta: _BlockDelta | None = field(default=None, name="contentBlockDelta")
    block_stop: Raw = field(default=_ABSENT, name="contentBlockStop")
    message_stop: Stopped | None = field(default=None, name="messageStop")
    metadata: Raw = _ABSENT
    output_text: str | None = field(default=None, name="outputText")
    # Events of Claude and of OpenAI's Responses, by `type`.
    index: int = 0
    content_block: Block | None = None
    delta: Delta | str | None = None
    item: Item | None = None
    output_index: int = 0
    content_index: int = 0
    response: _Failed | None = None
    # Failures.
    error: Failure | str | None = None
    internal: Failure | None = field(default=None, name="internalServerException")
    model_stream: Failure | None = field(default=None, name="modelStreamErrorException")
    model_timeout: Failure | None = field(default=None, name="modelTimeoutException")
    unavailable: Failure | None = field(default=None, name="serviceUnavailableException")
    throttling: Failure | None = field(default=None, name="throttlingException")
    validation: Failure | None = field(default=None, name="validationException")
    # Wrappings of boto3 and of InvokeModelWithResponseStream.
    body: Raw = _ABSENT
    stream: Raw = _ABSENT
    chunk: _Chunk | None = None
    # Events without text.
    unknown: Raw = field(default=_ABSENT, name="SDK_UNKNOWN_MEMBER")
    metrics: Raw = field(default=_ABSENT, name="amazon-bedrock-invocationMetrics")
    guardrail: Raw = field(default=_ABSENT, name="amazon-bedrock-guardrailAction")
    trace: Raw = field(default=_ABSENT, name="amazon-bedrock-trace")
