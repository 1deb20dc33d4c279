"""Responses of a model on Amazon Bedrock, as text that arrives piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.chat.converse_text import ConverseText
from gateway.cli.chat.streams import events, opened
from gateway.deploy.aws import Aws
from gateway.deploy.errors import AwsError, NotFound

_HELP = (
    "`aws bedrock list-foundation-models` and `aws bedrock list-inference-profiles` list the models of a region; some "
    "are called by an inference profile only, such as eu.amazon.nova-lite-v1:0"
)


@dataclass
class Conversation:
    """A conversation with one model, which sees all former questions and answers.

    :ivar inference: ``inferenceConfig`` of Converse: temperature, topP, maxTokens.
    """

    aws: Aws
    model: str
    system: str
    inference: dict[str, Any]
    messages: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, question: str) -> AsyncIterator[str]:
        """Yield the text of the response as the model writes it, without reasoning and tool use.

        :raises AwsError: if Bedrock refuses the call or breaks the stream off.
        :raises InvalidRequest: if the response has no text.
        """
        asked = [*self.messages, {"role": "user", "content": [{"text": question}]}]
        deltas = ConverseText()
        parts: list[str] = []
        stream = await opened(lambda: self._open(asked))
        async with aclosing(events(self.aws, stream, "bedrock-runtime:ConverseStream")) as found:
            async for event in found:
                if text := deltas.add(event):
                    parts.append(text)
                    yield text
        if text := deltas.end():
            parts.append(text)
            yield text
        self.messages = [*asked, {"role": "assistant", "content": [{"text": "".join(parts)}]}]

    def _open(self, messages: list[dict[str, Any]]) -> Any:
        call: dict[str, Any] = {"modelId": self.model, "messages": messages, "inferenceConfig": self.inference}
        if self.system:
            call["system"] = [{"text": self.system}]
        try:
            return self.aws.call("bedrock-runtime", "converse_stream", **call)["stream"]
        except NotFound as error:
            raise NotFound(f"{error}\n{_HELP}") from None
        except AwsError as error:
            if type(error) is AwsError:  # a ValidationException
                raise AwsError(f"{error}\n{_HELP}") from None
            raise
