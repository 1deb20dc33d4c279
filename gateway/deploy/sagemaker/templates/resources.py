"""The resources of a plan: the steps that create something which a template declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.deploy.sagemaker.options import Deployment
from gateway.deploy.sagemaker.plan import plan
from gateway.deploy.sagemaker.steps import Present

IMAGE, ROLE = "<image>", "<role>"
"""Placeholders for the template's parameters."""


class Resource(NamedTuple):
    """A resource that a step creates.

    :ivar label: its name within the template.
    :ivar after: label of a resource that must exist before, although no parameter refers to it.
    """

    label: str
    operation: str
    parameters: Mapping[str, Any]
    after: str | None


_LABELS = {
    "create_model": "Model",
    "create_endpoint_config": "EndpointConfig",
    "put_metric_alarm": "Alarm",
    "create_endpoint": "Endpoint",
    "create_inference_component": "InferenceComponent",
    "register_scalable_target": "ScalableTarget",
    "put_scaling_policy": "ScalingPolicy",
}
_NEEDS_NOTHING = ("Model", "EndpointConfig", "Alarm")


def resources(want: Deployment) -> list[Resource]:
    """The resources of a new endpoint, in order. Models and configurations get generated names: they cannot change."""
    found: list[Resource] = []
    for step in plan(want, Present(image=IMAGE, role_arn=ROLE)):
        if (label := _LABELS.get(step.operation)) is not None:
            after = None if label in _NEEDS_NOTHING else found[-1].label
            found.append(Resource(label, step.operation, step.parameters, after))
    return found


def generated_names(found: list[Resource]) -> dict[str, str]:
    """Names in the parameters that a template replaces by references, with the label of what they name."""
    own = {"Model": "ModelName", "EndpointConfig": "EndpointConfigName"}
    return {item.parameters[own[item.label]]: item.label for item in found if item.label in own}
