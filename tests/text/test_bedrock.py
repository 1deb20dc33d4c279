"""Text extraction from responses of models on Amazon Bedrock, as botocore returns them."""

from __future__ import annotations

import binascii
import json
import struct
import time
from collections.abc import Iterator
from typing import Any

import boto3
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
    FIRST,
    NOVA,
    OPENAI,
    REDACTED,
    SECOND,
    SPOKEN,
    STREAMS,
    THOUGHT,
    WHOLE,
    chunked,
)

from gateway.errors import InvalidRequest
from gateway.text.bedrock.answers import MAX_CHARS, TextDeltas, is_response, spoken_text

INDEX = "text.0.contentBlockDelta.contentBlockIndex"
MESSAGES = [{"role": "user", "content": [{"text": "When?"}]}]


def live(events: list[Any]) -> str:
    deltas = TextDeltas()
    return "".join([deltas.add(event) for event in events] + [deltas.end()])


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
        assert spoken_text(WHOLE[name]) == SPOKEN
        assert is_response(WHOLE[name])

    @pytest.mark.parametrize("name", STREAMS)
    def test_list_of_stream_events(self, name: str) -> None:
        assert spoken_text(STREAMS[name]) == SPOKEN
        assert is_response(STREAMS[name])

    @pytest.mark.parametrize("name", STREAMS)
    def test_chunks_of_invoke_model(self, name: str) -> None:
        assert spoken_text(chunked(STREAMS[name])) == SPOKEN
        raw = [
            {"chunk": {"bytes": json.dumps(event).encode()}} for event in STREAMS[name]
        ]  # before serialization to JSON
        assert spoken_text(raw) == SPOKEN

    @pytest.mark.parametrize("name", STREAMS)
    @pytest.mark.parametrize("form", ["events", "chunks", "json"])
    def test_incremental_events(self, name: str, form: str) -> None:
        events: list[Any] = STREAMS[name]
        if form == "chunks":
            events = chunked(events)
        elif form == "json":
            events = [json.dumps(event).encode() for event in events]
        assert live(events) == SPOKEN

    @pytest.mark.parametrize("name", ["converse", "claude", "llama"])
    def test_json_and_json_lines(self, name: str) -> None:
        assert spoken_text(json.dumps(WHOLE[name])) == SPOKEN
        assert spoken_text(json.dumps(STREAMS[name]).encode()) == SPOKEN
        assert spoken_text("\n".join(map(json.dumps, STREAMS[name]))) == SPOKEN

    @pytest.mark.parametrize("name", WHOLE)
    def test_response_wrapped_by_boto3(self, name: str) -> None:
        metadata = {"ResponseMetadata": {"HTTPStatusCode": 200}, "contentType": "application/json"}
        assert spoken_text({**metadata, "body": json.dumps(WHOLE[name])}) == SPOKEN
        assert spoken_text({**metadata, "body": WHOLE[name]}) == SPOKEN

    def test_stream_wrapped_by_boto3(self) -> None:
        assert spoken_text({"ResponseMetadata": {}, "stream": CONVERSE_STREAM}) == SPOKEN
        assert spoken_text({"ResponseMetadata": {}, "body": chunked(CLAUDE_STREAM)}) == SPOKEN

    def test_request_is_not_a_response(self) -> None:
        assert not is_response({"text": "Hello", "stream": True})
        assert not is_response("Hello")


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
                assert spoken_text(response) == SPOKEN

    def test_converse_stream(self, bedrock: Any) -> None:
        shape = bedrock.meta.service_model.operation_model("ConverseStream").output_shape.members["stream"]
        for event in CONVERSE_STREAM:
            assert ParamValidator().validate(event, shape).generate_report() == ""
        frames = [(name, json.dumps(value).encode()) for event in CONVERSE_STREAM for name, value in event.items()]
        answering(bedrock, "ConverseStream", Frames(frames))
        events = list(bedrock.converse_stream(modelId="m", messages=MESSAGES)["stream"])
        assert len(events) == len(CONVERSE_STREAM)
        assert spoken_text(events) == live(events) == SPOKEN

    @pytest.mark.parametrize("name", STREAMS)
    def test_invoke_model_with_response_stream(self, bedrock: Any, name: str) -> None:
        frames = [("chunk", json.dumps({**chunk["chunk"], "p": "ab"}).encode()) for chunk in chunked(STREAMS[name])]
        answering(bedrock, "InvokeModelWithResponseStream", Frames(frames))
        events = list(bedrock.invoke_model_with_response_stream(modelId="m", body=b"{}")["body"])
        assert [type(event["chunk"]["bytes"]) for event in events] == [bytes] * len(STREAMS[name])
        assert spoken_text(events) == live(events) == SPOKEN

    def test_every_stream_exception_is_an_error(self, bedrock: Any) -> None:
        for operation, member in (("ConverseStream", "stream"), ("InvokeModelWithResponseStream", "body")):
            shape = bedrock.meta.service_model.operation_model(operation).output_shape.members[member]
            failures = [name for name, part in shape.members.items() if part.metadata.get("exception")]
            assert len(failures) >= 5
            for name in failures:
                with pytest.raises(InvalidRequest, match=f"the model has failed: {name}: too busy") as failed:
                    spoken_text([*text_deltas("Hello"), {name: {"message": "too busy"}}])
                assert failed.value.param == f"text.1.{name}"

    def test_only_text_blocks_are_spoken(self, bedrock: Any) -> None:
        shape = bedrock.meta.service_model.operation_model("Converse").output_shape
        block = shape.members["output"].members["message"].members["content"].member
        kinds = set(block.members) - {"text", "citationsContent"}
        assert "reasoningContent" in kinds
        assert len(kinds) > 8
        for kind in kinds:
            assert spoken_text(converse({kind: {"text": "no", "content": [{"text": "no"}]}}, {"text": "yes"})) == "yes"


class TestOrderAndSeparation:
    def test_adjacent_texts_are_joined_and_others_separated(self) -> None:
        tool = {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}
        answer = converse({"text": "Let me "}, {"text": "see."}, tool, {"text": "Nine."}, {"text": " Five."})
        assert spoken_text(answer) == "Let me see.\n\nNine. Five."

    def test_incremental_text_is_separated_in_the_same_way(self) -> None:
        events = [
            {"contentBlockDelta": {"delta": {"text": "Let me see. "}, "contentBlockIndex": 0}},
            {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "t", "name": "n"}}, "contentBlockIndex": 1}},
            {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": 1}},
            {"contentBlockDelta": {"delta": {"text": " Nine."}, "contentBlockIndex": 2}},
            {"contentBlockDelta": {"delta": {"text": " Five."}, "contentBlockIndex": 3}},
        ]
        assert live(events) == spoken_text(events) == "Let me see.\n\nNine. Five."

    def test_blocks_are_sorted(self) -> None:
        events = [
            {"contentBlockDelta": {"delta": {"text": "two "}, "contentBlockIndex": 1}},
            {"contentBlockDelta": {"delta": {"text": "one "}, "contentBlockIndex": 0}},
            {"contentBlockDelta": {"delta": {"text": "three"}, "contentBlockIndex": 1}},
        ]
        assert spoken_text(events) == "one two three"

    def test_messages_of_two_streams_are_concatenated(self) -> None:
        events = [*CONVERSE_STREAM, *STREAMS["nova"]]
        assert spoken_text(events) == live(events) == f"{SPOKEN}\n\n{SPOKEN}"
        assert spoken_text(CLAUDE_STREAM * 2) == f"{SPOKEN}\n\n{SPOKEN}"

    def test_only_the_first_choice_is_used(self) -> None:
        assert len(OPENAI["choices"]) == 2
        assert spoken_text(OPENAI) == SPOKEN

    def test_incremental_text_is_available_at_once(self) -> None:
        deltas = TextDeltas()
        heard = [deltas.add(event) for event in CONVERSE_STREAM]
        assert heard[4] == FIRST.rstrip()
        assert heard[6] == " " + SECOND
        assert deltas.end() == ""

    def test_surrounding_white_space_is_dropped(self) -> None:
        events = text_deltas("\n\n", " Hi", " ", "\n", "there", " \n", " ")
        assert live(events) == spoken_text(events) == "Hi \nthere"


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
                spoken_text(converse({"text": text}))
        else:
            assert spoken_text(converse({"text": text})) == spoken

    @pytest.mark.parametrize(("text", "spoken"), THOUGHTS)
    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_thoughts_are_dropped_for_any_division_of_the_text(self, text: str, spoken: str | None, size: int) -> None:
        events = text_deltas(*(text[start : start + size] for start in range(0, len(text), size)))
        if spoken is None:
            with pytest.raises(InvalidRequest, match="no text"):
                live(events)
        else:
            assert live(events) == spoken

    def test_thought_without_an_opening_tag_is_dropped(self) -> None:
        assert spoken_text({"generation": "They ask.\nSo I say:\n</think>\n\nNine."}) == "Nine."

    def test_unclosed_thought_ends_with_its_text_block(self) -> None:
        tool = {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}
        assert spoken_text(converse({"text": "<thinking>a"}, tool, {"text": "b"})) == "b"

    def test_incremental_thoughts_are_not_spoken(self) -> None:
        deltas = TextDeltas()
        assert [deltas.add(event) for event in text_deltas("<thi", "nking>", THOUGHT, "</thinking>", "Nine.")] == [
            *[""] * 4,
            "Nine.",
        ]

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
            spoken_text({"generation": many})
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
            ("[" * 100_000, "text", "invalid JSON"),
            ([], "text", "no text"),
            (["Hello"], "text.0", "invalid JSON"),
            ([7], "text.0", "not an event"),
            ([{"answer": 1}], "text.0", "unknown event"),
            ([[CONVERSE]], "text.0", "not an event"),
            ({"output": None}, "text.output", "must be an object, not nothing"),
            ({"output": {"message": {"content": {}}}}, "text.output.message.content", "must be a list, not an"),
            (converse({"text": 7}), "text.output.message.content.0.text", "must be a string, not a number"),
            (converse({"text": "a"}, "b"), "text.output.message.content.1", "must be an object, not a string"),
            ({"content": [{"type": "text"}]}, "text.content.0.text", "must be a string, not nothing"),
            ({"results": [{"outputText": ["a"]}]}, "text.results.0.outputText", "must be a string, not a list"),
            ({"generation": True}, "text.generation", "must be a string, not a boolean"),
            ({"outputs": "a"}, "text.outputs", "must be a list, not a string"),
            ({"choices": [{"message": "a"}]}, "text.choices.0.message", "must be an object"),
            ([{"chunk": {"bytes": "%%%"}}], "text.0.chunk.bytes", "must be base64"),
            ([{"chunk": {"bytes": "äöü"}}], "text.0.chunk.bytes", "must be base64"),
            ([{"chunk": "e30="}], "text.0.chunk", "must be an object"),
            ([{"contentBlockDelta": {"delta": {"text": "a"}, "contentBlockIndex": "0"}}], INDEX, "integer"),
            ([{"contentBlockDelta": {}}], "text.0.contentBlockDelta.delta", "must be an object"),
            ({"body": {"body": {"body": {"body": {"body": {}}}}}}, "text.body.body.body.body", "too deeply"),
            ({"stream": [{"outputText": 1}]}, "text.stream.0.outputText", "must be a string"),
        ],
    )  # fmt: skip
    def test_error_has_the_path(self, response: Any, param: str, message: str) -> None:
        with pytest.raises(InvalidRequest, match=message) as wrong:
            spoken_text(response)
        assert wrong.value.param == param

    def test_error_path_starts_with_the_field(self) -> None:
        with pytest.raises(InvalidRequest) as wrong:
            spoken_text({"generation": 1}, param="input")
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
            spoken_text(response)
        assert wrong.value.param == "text"

    def test_guardrail_message_is_spoken(self) -> None:
        blocked = "Sorry, I cannot talk about that."
        assert spoken_text(converse({"text": blocked}, stop="guardrail_intervened")) == blocked

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
            spoken_text([*text_deltas("Hello"), failure])
        deltas = TextDeltas()
        assert deltas.add(text_deltas("Hello")[0]) == "Hello"
        with pytest.raises(InvalidRequest, match=message):
            deltas.add(failure)

    def test_failed_response_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="the model has failed: error: Lost"):
            spoken_text({"output": [], "error": {"message": "Lost"}})

    def test_too_long_text_is_refused(self) -> None:
        assert len(spoken_text(converse({"text": "a" * MAX_CHARS}))) == MAX_CHARS
        with pytest.raises(InvalidRequest, match="the limit is 100,000 characters") as wrong:
            spoken_text(converse({"text": "a" * (MAX_CHARS + 1)}))
        assert wrong.value.param == "text"

    @pytest.mark.parametrize("text", ["abcde" * 2000, "cd <think> " * 1000])
    def test_too_long_incremental_text_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequest, match="the limit is 100,000 characters"):
            live([{"outputText": text}] * (MAX_CHARS // len(text) + 1))

    def test_long_thought_does_not_count_as_text(self) -> None:
        long = f"<thinking>{'a' * 2 * MAX_CHARS}</thinking>b"
        assert spoken_text({"generation": long}) == live([{"generation": long}]) == "b"

    def test_unknown_events_are_ignored(self) -> None:
        unknown = [
            {"type": "content_block_sparkle", "index": 0},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "sparkle_delta", "text": "no"}},
            {"SDK_UNKNOWN_MEMBER": {"name": "sparkle"}},
            {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}},
        ]
        assert spoken_text([*unknown, *CLAUDE_STREAM, *unknown]) == SPOKEN

    def test_stream_without_text_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="no text"):
            TextDeltas().end()


def test_fixtures_contain_text_that_must_not_be_spoken() -> None:
    for answer in (CONVERSE, CLAUDE, NOVA, OPENAI):
        assert THOUGHT in json.dumps(answer)
