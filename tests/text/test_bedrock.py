"""Text extraction from responses of models on Amazon Bedrock, as botocore returns them."""

from __future__ import annotations

import binascii
import contextlib
import json
import re
import struct
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest
from botocore.awsrequest import AWSResponse
from botocore.stub import Stubber
from botocore.validate import ParamValidator
from support.bedrock_responses import (
    CITED,
    CLAUDE,
    CLAUDE_STREAM,
    CONVERSE,
    CONVERSE_STREAM,
    NOVA,
    OPENAI,
    REDACTED,
    SPOKEN,
    STREAMS,
    THOUGHT,
    WHOLE,
    chunked,
)

from gateway.errors import InvalidRequest
from gateway.text.bedrock import answers
from gateway.text.bedrock.answers import MAX_BYTES, MAX_CHARS, spoken_text

INDEX = "text.0.contentBlockDelta.contentBlockIndex"
MESSAGES = [{"role": "user", "content": [{"text": "When?"}]}]


def text_of(response: Any, **options: str) -> str:
    """The text of a response, which may be a Python object."""
    data = response if isinstance(response, (str, bytes)) else msgspec.json.encode(response)
    return spoken_text(data, **options)


def converse(*blocks: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    return {"output": {"message": {"role": "assistant", "content": list(blocks)}}, "stopReason": stop}


def text_deltas(*texts: str) -> list[dict[str, Any]]:
    return [{"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}} for text in texts]


@pytest.fixture(scope="module")
def bedrock() -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.session.Session(**keys).client("bedrock-runtime", region_name="us-east-1")


class Frames:
    """A response body in Amazon's event-stream encoding, with the interface of urllib3."""

    def __init__(self, events: list[tuple[str, bytes]]):
        self._data = b"".join(self._frame(name, payload) for name, payload in events)

    @staticmethod
    def _frame(name: str, payload: bytes) -> bytes:
        values = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
        headers = b"".join(
            bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
            for key, value in values.items()
        )
        prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
        message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
        return message + struct.pack(">I", binascii.crc32(message))

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield self._data

    def close(self) -> None:
        pass


def answering(client: Any, operation: str, frames: Frames) -> None:
    def answer(**_: Any) -> AWSResponse:
        headers = {"content-type": "application/vnd.amazon.eventstream"}
        return AWSResponse("https://bedrock/", 200, headers, frames)

    event = f"before-send.bedrock-runtime.{operation}"
    client.meta.events.unregister(event, unique_id="answer")
    client.meta.events.register(event, answer, unique_id="answer")


class TestShapes:
    @pytest.mark.parametrize("name", WHOLE)
    def test_complete_response(self, name: str) -> None:
        assert text_of(WHOLE[name]) == SPOKEN

    @pytest.mark.parametrize("name", STREAMS)
    def test_list_of_stream_events(self, name: str) -> None:
        assert text_of(STREAMS[name]) == SPOKEN

    @pytest.mark.parametrize("name", STREAMS)
    def test_chunks_of_invoke_model(self, name: str) -> None:
        assert text_of(chunked(STREAMS[name])) == SPOKEN
        raw = [
            {"chunk": {"bytes": json.dumps(event).encode()}} for event in STREAMS[name]
        ]  # before serialization to JSON
        assert text_of(raw) == SPOKEN

    @pytest.mark.parametrize("name", ["converse", "claude", "llama"])
    def test_json_and_json_lines(self, name: str) -> None:
        assert text_of(json.dumps(WHOLE[name])) == SPOKEN
        assert text_of(json.dumps(STREAMS[name]).encode()) == SPOKEN
        assert text_of("\n".join(map(json.dumps, STREAMS[name]))) == SPOKEN

    @pytest.mark.parametrize("name", WHOLE)
    def test_response_wrapped_by_boto3(self, name: str) -> None:
        metadata = {"ResponseMetadata": {"HTTPStatusCode": 200}, "contentType": "application/json"}
        assert text_of({**metadata, "body": json.dumps(WHOLE[name])}) == SPOKEN
        assert text_of({**metadata, "body": WHOLE[name]}) == SPOKEN

    def test_stream_wrapped_by_boto3(self) -> None:
        assert text_of({"ResponseMetadata": {}, "stream": CONVERSE_STREAM}) == SPOKEN
        assert text_of({"ResponseMetadata": {}, "body": chunked(CLAUDE_STREAM)}) == SPOKEN


class TestBotocore:
    def test_converse(self, bedrock: Any) -> None:
        metadata = {
            "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
        }
        answers = [CONVERSE, CITED, {**CONVERSE, **converse(REDACTED, {"text": SPOKEN})}]
        with Stubber(bedrock) as stubber:
            for answer in answers:
                stubber.add_response("converse", {**metadata, **answer})  # validates it against the service model
            for _ in answers:
                response = bedrock.converse(modelId="m", messages=MESSAGES)
                assert "ResponseMetadata" in response
                assert text_of(response) == SPOKEN

    def test_converse_stream(self, bedrock: Any) -> None:
        shape = bedrock.meta.service_model.operation_model("ConverseStream").output_shape.members["stream"]
        for event in CONVERSE_STREAM:
            assert ParamValidator().validate(event, shape).generate_report() == ""
        frames = [(name, json.dumps(value).encode()) for event in CONVERSE_STREAM for name, value in event.items()]
        answering(bedrock, "ConverseStream", Frames(frames))
        events = list(bedrock.converse_stream(modelId="m", messages=MESSAGES)["stream"])
        assert len(events) == len(CONVERSE_STREAM)
        assert text_of(events) == SPOKEN

    @pytest.mark.parametrize("name", STREAMS)
    def test_invoke_model_with_response_stream(self, bedrock: Any, name: str) -> None:
        frames = [("chunk", json.dumps({**chunk["chunk"], "p": "ab"}).encode()) for chunk in chunked(STREAMS[name])]
        answering(bedrock, "InvokeModelWithResponseStream", Frames(frames))
        events = list(bedrock.invoke_model_with_response_stream(modelId="m", body=b"{}")["body"])
        assert [type(event["chunk"]["bytes"]) for event in events] == [bytes] * len(STREAMS[name])
        assert text_of(events) == SPOKEN

    def test_every_stream_exception_is_an_error(self, bedrock: Any) -> None:
        for operation, member in (("ConverseStream", "stream"), ("InvokeModelWithResponseStream", "body")):
            shape = bedrock.meta.service_model.operation_model(operation).output_shape.members[member]
            failures = [name for name, part in shape.members.items() if part.metadata.get("exception")]
            assert len(failures) >= 5
            for name in failures:
                with pytest.raises(InvalidRequest, match=f"the model has failed: {name}: too busy") as failed:
                    text_of([*text_deltas("Hello"), {name: {"message": "too busy"}}])
                assert failed.value.param == f"text.1.{name}"

    def test_only_text_blocks_are_spoken(self, bedrock: Any) -> None:
        shape = bedrock.meta.service_model.operation_model("Converse").output_shape
        block = shape.members["output"].members["message"].members["content"].member
        kinds = set(block.members) - {"text", "citationsContent"}
        assert "reasoningContent" in kinds
        assert len(kinds) > 8
        for kind in kinds:
            assert text_of(converse({kind: {"text": "no", "content": [{"text": "no"}]}}, {"text": "yes"})) == "yes"


class TestOrderAndSeparation:
    def test_adjacent_texts_are_joined_and_others_separated(self) -> None:
        tool = {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}
        answer = converse({"text": "Let me "}, {"text": "see."}, tool, {"text": "Nine."}, {"text": " Five."})
        assert text_of(answer) == "Let me see.\n\nNine. Five."

    def test_blocks_are_sorted(self) -> None:
        events = [
            {"contentBlockDelta": {"delta": {"text": "two "}, "contentBlockIndex": 1}},
            {"contentBlockDelta": {"delta": {"text": "one "}, "contentBlockIndex": 0}},
            {"contentBlockDelta": {"delta": {"text": "three"}, "contentBlockIndex": 1}},
        ]
        assert text_of(events) == "one two three"

    def test_messages_of_two_streams_are_concatenated(self) -> None:
        events = [*CONVERSE_STREAM, *STREAMS["nova"]]
        assert text_of(events) == f"{SPOKEN}\n\n{SPOKEN}"
        assert text_of(CLAUDE_STREAM * 2) == f"{SPOKEN}\n\n{SPOKEN}"

    def test_only_the_first_choice_is_used(self) -> None:
        assert len(OPENAI["choices"]) == 2
        assert text_of(OPENAI) == SPOKEN

    def test_surrounding_white_space_is_dropped(self) -> None:
        events = text_deltas("\n\n", " Hi", " ", "\n", "there", " \n", " ")
        assert text_of(events) == "Hi \nthere"


THOUGHTS = [
    ("<thinking>a</thinking>b", "b"),
    ("<think>\na\n</think>\n\nb", "b"),
    ("<reasoning>a</reasoning><reasoning>b</reasoning>c", "c"),
    ("<Thinking>a</THINKING> b", "b"),
    ("a.\n<thinking>b</thinking>\nc", "a.\n\nc"),
    ("a. <thinking>b</thinking> c", "a.  c"),
    ("<thinking>a<b></think></thinking>c", "c"),
    ("<thinking>a", None),
    ("a\n <thinking>b", "a"),
    ("a <thinking> tag is opened", "a <thinking> tag is opened"),
    ("a <thinking> and <thinking> again, <reasoning> too", "a <thinking> and <thinking> again, <reasoning> too"),
    ("a <thinking> b\n<thinking>c", "a <thinking> b"),
    ("a <thinking> b <reasoning>c</reasoning> d", "a <thinking> b  d"),
    ("use `<thinking>` and `</thinking>`", "use `<thinking>` and `</thinking>`"),
    ("<thinking>`a`</thinking>b", "b"),
    ("a <thin b <think", "a <thin b <think"),
    ("a </thinking> b", "a </thinking> b"),
    ("1 < 2 <", "1 < 2 <"),
]


class TestThoughts:
    @pytest.mark.parametrize(("text", "spoken"), THOUGHTS)
    def test_thoughts_are_dropped(self, text: str, spoken: str | None) -> None:
        if spoken is None:
            with pytest.raises(InvalidRequest, match="no text"):
                text_of(converse({"text": text}))
        else:
            assert text_of(converse({"text": text})) == spoken

    def test_thought_without_an_opening_tag_is_dropped(self) -> None:
        assert text_of({"generation": "They ask.\nSo I say:\n</think>\n\nNine."}) == "Nine."

    def test_unclosed_thought_ends_with_its_text_block(self) -> None:
        tool = {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}
        assert text_of(converse({"text": "<thinking>a"}, tool, {"text": "b"})) == "b"

    @pytest.mark.parametrize(
        "text",
        [
            "<think>",
            "a <think>",
            "<",
            "a<thinking>b<reasoning>",
            "</think>",
            "<think></think>",
            "<think>\n",
            "`<think>",
        ],
    )
    def test_filter_takes_linear_time(self, text: str) -> None:
        many = (text * (2_000_000 // len(text)))[:2_000_000]
        began = time.perf_counter()
        with pytest.raises(InvalidRequest):  # too long, or no text
            text_of({"generation": many})
        assert time.perf_counter() - began < 10


class TestErrors:
    @pytest.mark.parametrize(
        ("response", "param", "message"),
        [
            ({}, "text", "supported are Converse"),
            ({"answer": "Hello"}, "text", "supported are Converse"),
            (7, "text", "not a model's response"),
            ("Hello", "text", "invalid JSON"),
            (b"\xff\xfe", "text", "invalid JSON"),
            ('{"a":' + "[" * 100_000, "text", "invalid JSON"),
            ([], "text", "no text"),
            (["Hello"], "text.0", "expected `object`, got `str`"),
            ([7], "text.0", "expected `object`, got `int`"),
            ([{"answer": 1}], "text.0", "unknown format"),
            ([[CONVERSE]], "text.0", "expected `object`, got `array`"),
            ({"output": 7}, "text.output", "expected `object | array | null`, got `int`"),
            ({"output": {"message": {"content": {}}}}, "text.output.message.content", "expected `str | array"),
            (converse({"text": 7}), "text.output.message.content.0.text", "`str | null`, got `int`"),
            (converse({"text": "a"}, "b"), "text.output.message.content.1", "expected `object`, got `str`"),
            ({"content": [{"type": "text"}]}, "text.content.0", "must have a string `text`"),
            ({"results": [{"outputText": ["a"]}]}, "text.results.0.outputText", "expected `str`, got `array`"),
            ({"generation": True}, "text.generation", "expected `str | null`, got `bool`"),
            ({"outputs": "a"}, "text.outputs", "expected `array | null`, got `str`"),
            ({"choices": [{"message": "a"}]}, "text.choices.0.message", "expected `object | null`, got `str`"),
            ([{"chunk": {"bytes": "%%%"}}], "text.0.chunk.bytes", "invalid base64"),
            ([{"chunk": {"bytes": "äöü"}}], "text.0.chunk.bytes", "invalid base64"),
            ([{"chunk": "e30="}], "text.0.chunk", "expected `object | null`, got `str`"),
            ([{"contentBlockDelta": {"delta": {"text": "a"}, "contentBlockIndex": "0"}}], INDEX, "expected `int`"),
            ([{"contentBlockDelta": {}}], "text.0.contentBlockDelta", "missing required field `delta`"),
            ({"body": {"body": {"body": {"body": {"body": {}}}}}}, "text.body.body.body.body", "too deeply"),
            ({"stream": [{"outputText": 1}]}, "text.stream.0.outputText", "expected `str | null`, got `int`"),
        ],
    )  # fmt: skip
    def test_error_has_the_path(self, response: Any, param: str, message: str) -> None:
        with pytest.raises(InvalidRequest, match=re.escape(message)) as wrong:
            text_of(response)
        assert wrong.value.param == param

    def test_error_path_starts_with_the_field(self) -> None:
        with pytest.raises(InvalidRequest) as wrong:
            text_of({"generation": 1}, param="input")
        assert wrong.value.param == "input.generation"

    @pytest.mark.parametrize(
        ("response", "reason"),
        [
            (converse({"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}, stop="tool_use"), "tool_use"),
            (converse(stop="guardrail_intervened"), "guardrail_intervened"),
            (converse({"text": " \n"}, stop="content_filtered"), "content_filtered"),
            ({**CLAUDE, "content": CLAUDE["content"][:1], "stop_reason": "max_tokens"}, "max_tokens"),
            ({"results": [{"outputText": "", "completionReason": "CONTENT_FILTERED"}]}, "CONTENT_FILTERED"),
            ({"choices": [{"message": {"content": None}, "finish_reason": "tool_calls"}]}, "tool_calls"),
            ([{"messageStop": {"stopReason": "guardrail_intervened"}}], "guardrail_intervened"),
            ([{"type": "message_delta", "delta": {"stop_reason": "refusal"}}], "refusal"),
        ],
    )
    def test_response_without_text_reports_its_stop_reason(self, response: Any, reason: str) -> None:
        with pytest.raises(InvalidRequest, match=f"no text.*stop reason is '{reason}'") as wrong:
            text_of(response)
        assert wrong.value.param == "text"

    def test_guardrail_message_is_spoken(self) -> None:
        blocked = "Sorry, I cannot talk about that."
        assert text_of(converse({"text": blocked}, stop="guardrail_intervened")) == blocked

    @pytest.mark.parametrize(
        ("failure", "message"),
        [
            ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error: Overloaded"),
            ({"modelStreamErrorException": {"message": "m" * 1000}}, "modelStreamErrorException: " + "m" * 200 + "$"),
            ({"throttlingException": {}}, "throttlingException$"),
            ({"error": "busy"}, "error: busy"),
            (
                {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "Lost"}}},
                "error: Lost",
            ),
        ],
    )
    def test_failed_stream_is_refused(self, failure: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidRequest, match=message):
            text_of([*text_deltas("Hello"), failure])

    def test_failed_response_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="the model has failed: error: Lost"):
            text_of({"output": [], "error": {"message": "Lost"}})

    def test_too_long_text_is_refused(self) -> None:
        assert len(text_of(converse({"text": "a" * MAX_CHARS}))) == MAX_CHARS
        with pytest.raises(InvalidRequest, match="the limit is 100,000 characters") as wrong:
            text_of(converse({"text": "a" * (MAX_CHARS + 1)}))
        assert wrong.value.param == "text"

    def test_long_thought_does_not_count_as_text(self) -> None:
        long = f"<thinking>{'a' * 2 * MAX_CHARS}</thinking>b"
        assert text_of({"generation": long}) == "b"

    def test_unknown_events_are_ignored(self) -> None:
        unknown = [
            {"type": "content_block_sparkle", "index": 0},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "sparkle_delta", "text": "no"}},
            {"SDK_UNKNOWN_MEMBER": {"name": "sparkle"}},
            {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}},
        ]
        assert text_of([*unknown, *CLAUDE_STREAM, *unknown]) == SPOKEN


def test_fixtures_contain_text_that_must_not_be_spoken() -> None:
    for answer in (CONVERSE, CLAUDE, NOVA, OPENAI):
        assert THOUGHT in json.dumps(answer)


def base64_chunk(data: bytes) -> bytes:
    return b'{"chunk":{"bytes":"' + binascii.b2a_base64(data, newline=False) + b'"}}'


class TestHostileResponses:
    """Bodies that take 20 to 50 times their size as lists and dicts."""

    BOMBS = (
        b"[" + b"[]," * 10**5 + b"[]]",
        b"[" + b"{}," * 10**5 + b"{}]",
        b'{"content":[' + b"{}," * 10**5 + b"{}]}",
        b"[" + (b"[" * 100 + b"]" * 100 + b",") * 10**3 + b"1]",
        b'{"generation":"a","more":[' + (b"[" * 100 + b"]" * 100 + b",") * 10**3 + b"1]}",
        b"[" + b'"a",' * 10**5 + b"1]",
    )

    @pytest.fixture(autouse=True)
    def few_objects(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(answers, "MAX_OBJECTS", 1000)

    @pytest.mark.parametrize("wrap", [bytes, base64_chunk, lambda bomb: base64_chunk(base64_chunk(bomb))])
    @pytest.mark.parametrize("bomb", BOMBS)
    def test_memory_follows_the_limits(self, bomb: bytes, wrap: Any) -> None:
        data = wrap(bomb)
        tracemalloc.start()
        with contextlib.suppress(InvalidRequest):
            spoken_text(data)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes < 3 * len(data) + 500 * 1000

    def test_objects_of_all_levels_share_one_limit(self) -> None:
        events = [{"outputText": "a"}] * 490
        assert len(text_of(events)) == len(events)
        chunk = {"chunk": {"bytes": msgspec.json.encode(events)}}
        assert len(text_of([chunk])) == len(events)
        with pytest.raises(InvalidRequest, match="too many objects") as refused:
            text_of([chunk, chunk, chunk])
        assert (refused.value.param or "").startswith("text.2.chunk.bytes.")

    def test_bytes_of_all_levels_share_one_limit(self) -> None:
        data = base64_chunk(b'{"generation":"a","more":"%b"}' % (b"x" * (MAX_BYTES // 2)))
        with pytest.raises(InvalidRequest, match="too much JSON") as refused:
            spoken_text(data)
        assert refused.value.param == "text.chunk.bytes"
