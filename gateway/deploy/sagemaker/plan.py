"""The plan: every call in order. It is executed, printed by ``--dry-run``, or rendered as a template."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.deploy.sagemaker.calls import (
    component_steps,
    create_config,
    create_endpoint,
    create_model,
    deregister,
    put_alarm,
    scaling_resource,
    scaling_steps,
    smoke,
    update_endpoint,
    wait,
    wait_deleted,
)
from gateway.deploy.sagemaker.options import Deployment
from gateway.deploy.sagemaker.steps import Present, Step


def plan(want: Deployment, present: Present) -> list[Step]:
    """Every call that makes the endpoint as wanted, or brings an existing one there."""
    model = create_model(want, present)
    config = create_config(want, present, model.parameters["ModelName"])
    steps = [*present.push]
    if model.parameters["ModelName"] not in present.names:
        steps.append(model)
    if config.parameters["EndpointConfigName"] not in present.names:
        steps.append(config)
    steps.append(put_alarm(want))
    resource = scaling_resource(want)
    moves = present.config is not None and present.config != config.parameters["EndpointConfigName"]
    # SageMaker refuses another instance type for a variant that scales.
    if present.scaling and (not want.scales or (moves and present.instance_type != want.instance)):
        steps.append(deregister(present.scaling))
    if present.config is None:
        steps += [create_endpoint(want, config), wait(want)]
    elif moves:
        steps += [update_endpoint(want, present, config), wait(want)]
    if want.component:
        steps += component_steps(want, present, model)
    if want.scales:
        steps += scaling_steps(want, resource)
    return [*steps, smoke(want)]


def deletion(name: str, names: Mapping[str, list[str]], scaling: list[str]) -> list[Step]:
    """The calls that delete an endpoint and everything made for it.

    :param names: existing names, by the keys ``components``, ``endpoints``, ``configs``, ``models`` and ``alarms``.
    """
    steps = [deregister(resource) for resource in scaling]
    for component in names["components"]:
        by_name = {"InferenceComponentName": component}
        steps.append(Step("delete the inference component", "sagemaker", "delete_inference_component", by_name))
        steps.append(wait_deleted("describe_inference_component", by_name))
    for endpoint in names["endpoints"]:
        steps.append(Step("delete the endpoint", "sagemaker", "delete_endpoint", {"EndpointName": endpoint}))
        steps.append(wait_deleted("describe_endpoint", {"EndpointName": endpoint}))
    for config in names["configs"]:
        by_name = {"EndpointConfigName": config}
        steps.append(Step("delete the configuration", "sagemaker", "delete_endpoint_config", by_name))
    steps += [Step("delete the model", "sagemaker", "delete_model", {"ModelName": model}) for model in names["models"]]
    if names["alarms"]:
        steps.append(Step("delete the alarm", "cloudwatch", "delete_alarms", {"AlarmNames": names["alarms"]}))
    return steps
