"""Why an endpoint failed: SageMaker's reason, advice, and the container's last log lines from CloudWatch."""

from __future__ import annotations

import re
from typing import Any

from gateway.deploy.aws import Aws
from gateway.deploy.errors import AwsError

MAX_LINES = 30

_ADVICE = (
    (r"exec format error", "The image is for another processor architecture: build it for the instance type's."),
    (r"capacity", "Repeat the command later, or choose another --instance-type or --region."),
    (r"limit|quota", "Request an increase in the Service Quotas console, or choose another --instance-type."),
    (r"ping|health check", "The engine did not become ready in time: see the log; --ready-timeout gives it longer."),
    (r"ecr|pull|image", "Check that the image exists in the endpoint's region and that the role may pull it."),
    (r"model data|s3|artifact", "Check --model-data, and that the role may read it."),
    (r"alarm", "The new configuration had server errors, so the former one serves again."),
)


def explanation(aws: Aws, by_name: dict[str, Any], status: str, found: dict[str, Any]) -> str:
    """The message of an :class:`EndpointFailed`.

    :param by_name: parameters of the call that described the endpoint or the inference component.
    :param found: its response.
    """
    (name,) = by_name.values()
    reason = found.get("FailureReason", "SageMaker gives no reason")
    lines = log_lines(aws, name, "InferenceComponentName" in by_name)
    text = "\n".join([reason, *lines]).lower()
    advice = next((fix for pattern, fix in _ADVICE if re.search(pattern, text)), "See the log.")
    log = "\n".join(f"  {line}" for line in lines) or "  (the container has logged nothing)"
    return f"{name} is {status}: {reason}\n{advice}\nThe container's log:\n{log}"


def log_lines(aws: Aws, name: str, is_component: bool = False) -> list[str]:
    """The last lines that the container of an endpoint or inference component has logged; empty without access."""
    group = f"/aws/sagemaker/{'InferenceComponents' if is_component else 'Endpoints'}/{name}"
    try:
        streams = aws.find(
            "logs", "describe_log_streams", logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
        )
        if not streams or not streams["logStreams"]:
            return []
        newest = streams["logStreams"][0]["logStreamName"]
        events = aws.call(
            "logs", "get_log_events", logGroupName=group, logStreamName=newest, limit=MAX_LINES, startFromHead=False
        )
    except AwsError as error:
        return [f"cannot read the log {group}: {error}".splitlines()[0]]
    return [event["message"].rstrip() for event in events["events"]]
