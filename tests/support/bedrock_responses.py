"""Responses of models on Amazon Bedrock: exact structures with invented words."""

from __future__ import annotations

import base64
import json
from typing import Any

SPOKEN = "The harbour opens at nine. Tickets cost five euros."
FIRST, SECOND = "The harbour opens at nine. ", "Tickets cost five euros."
THOUGHT = "They ask about the harbour, so I look it up."

CONVERSE: dict[str, Any] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": "c2lnbmF0dXJl"}}},
                {"text": SPOKEN},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "tides", "input": {"text": "never said"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 30, "outputTokens": 60, "totalTokens": 90},
    "metrics": {"latencyMs": 913},
}
CITED: dict[str, Any] = {
    **CONVERSE,
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"text": "The harbour opens "},
                {
                    "citationsContent": {
                        "content": [{"text": "at "}, {"text": "nine"}],
                        "citations": [
                            {
                                "title": "Timetable",
                                "sourceContent": [{"text": "Harbour: 9 a.m."}],
                                "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}},
                            }
                        ],
                    }
                },
                {"text": ". Tickets cost five euros."},
            ],
        }
    },
    "stopReason": "end_turn",
}
REDACTED = {"reasoningContent": {"redactedContent": b"sealed"}}
CONVERSE_STREAM: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"text": THOUGHT}}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"signature": "c2ln"}}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": FIRST}, "contentBlockIndex": 1}},
    {"contentBlockDelta": {"delta": {"citation": {"title": "Timetable", "source": "a"}}, "contentBlockIndex": 1}},
    {"contentBlockDelta": {"delta": {"text": SECOND}, "contentBlockIndex": 1}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "t", "name": "tides"}}, "contentBlockIndex": 2}},
    {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"text": "never'}}, "contentBlockIndex": 2}},
    {"contentBlockStop": {"contentBlockIndex": 2}},
    {"messageStop": {"stopReason": "tool_use"}},
    {
        "metadata": {
            "usage": {"inputTokens": 30, "outputTokens": 60, "totalTokens": 90},
            "metrics": {"latencyMs": 913},
        }
    },
]
CLAUDE: dict[str, Any] = {
    "id": "msg_bdrk_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": THOUGHT, "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "c2VhbGVk"},
        {"type": "text", "text": FIRST, "citations": [{"type": "char_location", "cited_text": "Harbour: 9 a.m."}]},
        {"type": "text", "text": SECOND},
        {"type": "tool_use", "id": "toolu_1", "name": "tides", "input": {"text": "never said"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 30, "output_tokens": 60},
}
CLAUDE_STREAM: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**CLAUDE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": THOUGHT}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "ping"},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": FIRST}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {"cited_text": "no"}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": SECOND}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a'}},
    {"type": "content_block_stop", "index": 2},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 60},
    },
    {
        "type": "message_stop",
        "amazon-bedrock-invocationMetrics": {"inputTokenCount": 30, "outputTokenCount": 60, "firstByteLatency": 300},
    },
]
NOVA: dict[str, Any] = {
    "output": {
        "message": {"content": [{"text": f"<thinking> {THOUGHT} </thinking>\n\n{SPOKEN}"}], "role": "assistant"}
    },
    "stopReason": "end_turn",
    "usage": {"inputTokens": 30, "outputTokens": 60, "totalTokens": 90},
}
NOVA_STREAM: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "<th"}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": f"inking> {THOUGHT} </think"}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": f"ing>\n\n{FIRST}"}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": SECOND}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 30, "outputTokens": 60}, "metrics": {}, "trace": {}}},
]
TITAN: dict[str, Any] = {
    "inputTextTokenCount": 30,
    "results": [{"tokenCount": 60, "outputText": f"\n{SPOKEN}\n", "completionReason": "FINISH"}],
}
TITAN_STREAM: list[dict[str, Any]] = [
    {"outputText": f"\n{FIRST}", "index": 0, "totalOutputTextTokenCount": None, "completionReason": None},
    {"outputText": SECOND, "index": 0, "totalOutputTextTokenCount": 60, "completionReason": "FINISH"},
]
LLAMA: dict[str, Any] = {
    "generation": f"\n\n{SPOKEN}",
    "prompt_token_count": 30,
    "generation_token_count": 60,
    "stop_reason": "stop",
}
LLAMA_STREAM: list[dict[str, Any]] = [
    {"generation": FIRST, "prompt_token_count": 30, "generation_token_count": 1, "stop_reason": None},
    {"generation": SECOND, "prompt_token_count": None, "generation_token_count": 2, "stop_reason": None},
    {"generation": "", "prompt_token_count": None, "generation_token_count": 3, "stop_reason": "stop"},
]
MISTRAL: dict[str, Any] = {"outputs": [{"text": f" {SPOKEN}", "stop_reason": "stop"}]}
MISTRAL_STREAM: list[dict[str, Any]] = [
    {"outputs": [{"text": FIRST, "stop_reason": None}]},
    {"outputs": [{"text": SECOND, "stop_reason": "stop"}]},
]
MISTRAL_CHAT: dict[str, Any] = {
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": SPOKEN, "tool_calls": None}, "stop_reason": "stop"}
    ]
}
MISTRAL_CHAT_STREAM: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": FIRST}, "stop_reason": None}]},
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": SECOND}, "stop_reason": "stop"}]},
]
MAGISTRAL: dict[str, Any] = {
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
                    {"type": "text", "text": SPOKEN},
                ],
            },
            "finish_reason": "stop",
        }
    ]
}
OPENAI: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "openai.gpt-oss-120b-1:0",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": f"<reasoning>{THOUGHT}</reasoning>{SPOKEN}",
                "reasoning_content": THOUGHT,
                "refusal": None,
            },
            "finish_reason": "stop",
            "logprobs": None,
        },
        {"index": 1, "message": {"role": "assistant", "content": "Another answer."}, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 30, "completion_tokens": 60, "total_tokens": 90},
}


def _openai_chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1764000000, "choices": choices}


OPENAI_STREAM: list[dict[str, Any]] = [
    _openai_chunk({"role": "assistant", "content": "", "refusal": None}),
    _openai_chunk({"content": f"<reasoning>{THOUGHT}</reasoning>"}),  # each chunk has its own tags
    _openai_chunk({"content": "<reasoning> Use brief.</reasoning>"}),
    _openai_chunk({"reasoning_content": THOUGHT}),
    _openai_chunk({"content": FIRST}),
    _openai_chunk({"content": SECOND}),
    _openai_chunk({"content": None}, "stop"),
    {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": {"total_tokens": 90}},
]
RESPONSES: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "error": None,
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": THOUGHT}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": SPOKEN, "annotations": []}],
        },
        {"type": "function_call", "call_id": "c", "name": "tides", "arguments": "{}"},
    ],
    "text": {"format": {"type": "text"}},
}
RESPONSES_STREAM: list[dict[str, Any]] = [
    {"type": "response.created", "response": {**RESPONSES, "status": "in_progress", "output": []}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": THOUGHT},
    {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "id": "msg_1"}},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": FIRST},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": SECOND},
    {"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": SPOKEN},
    {"type": "response.completed", "response": RESPONSES},
]

WHOLE = {
    "converse": CONVERSE,
    "citations": CITED,
    "claude": CLAUDE,
    "nova": NOVA,
    "titan": TITAN,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "mistral-chat": MISTRAL_CHAT,
    "magistral": MAGISTRAL,
    "openai": OPENAI,
    "responses": RESPONSES,
}
STREAMS = {
    "converse": CONVERSE_STREAM,
    "claude": CLAUDE_STREAM,
    "nova": NOVA_STREAM,
    "titan": TITAN_STREAM,
    "llama": LLAMA_STREAM,
    "mistral": MISTRAL_STREAM,
    "mistral-chat": MISTRAL_CHAT_STREAM,
    "openai": OPENAI_STREAM,
    "responses": RESPONSES_STREAM,
}


def chunked(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events of InvokeModelWithResponseStream after serialization to JSON."""
    return [{"chunk": {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}} for event in events]
