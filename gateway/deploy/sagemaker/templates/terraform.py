"""Terraform code for the provider ``hashicorp/aws``: the API's parameters in snake case, structures as blocks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.deploy.sagemaker.options import Deployment
from gateway.deploy.sagemaker.templates.resources import IMAGE, ROLE, Resource, generated_names, resources

_TYPES = {
    "Model": "aws_sagemaker_model",
    "EndpointConfig": "aws_sagemaker_endpoint_configuration",
    "Alarm": "aws_cloudwatch_metric_alarm",
    "Endpoint": "aws_sagemaker_endpoint",
    "InferenceComponent": "aws_sagemaker_inference_component",
    "ScalableTarget": "aws_appautoscaling_target",
    "ScalingPolicy": "aws_appautoscaling_policy",
}
_OWN_NAMES = {"Endpoint": "EndpointName", "InferenceComponent": "InferenceComponentName", "ScalingPolicy": "PolicyName"}
_GENERATED = {"Model": "ModelName", "EndpointConfig": "EndpointConfigName"}
_LABEL = "voxgate"


class _Code(str):
    """An expression, which is written without quotation marks."""

    __slots__ = ()


def terraform(want: Deployment) -> str:
    """Render an endpoint as HCL, with variables for the image and the role."""
    found = resources(want)
    references = {name: _Code(f"{_address(label)}.name") for name, label in generated_names(found).items()}
    references |= {IMAGE: _Code("var.image"), ROLE: _Code("var.role_arn")}
    lines = [
        *_block("terraform", {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 6.0"}}}),
        *_variable("image", "URI of the image in Amazon ECR, with its tag", want.image),
        *_variable("role_arn", "ARN of the execution role", want.role if "arn:" in (want.role or "") else None),
    ]
    for item in found:
        lines += _block(f'resource "{_TYPES[item.label]}" "{_LABEL}"', _arguments(item, want, references))
    output = {"value": _Code(f"{_address('Endpoint')}.name")}
    return "\n".join([*lines, *_block('output "endpoint_name"', output)]).rstrip() + "\n"


def _arguments(item: Resource, want: Deployment, references: Mapping[str, _Code]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for key, value in item.parameters.items():
        if key != _GENERATED.get(item.label):
            name = "name" if key == _OWN_NAMES.get(item.label) else _snake(key)
            arguments[name] = _converted(key, value, references, item.label)
    if item.label == "EndpointConfig":
        arguments["name_prefix"] = f"{want.name}-"
    if item.label in _GENERATED:
        arguments["lifecycle"] = {"create_before_destroy": True}
    if item.after:
        arguments["depends_on"] = [_Code(_address(item.after))]
    return arguments


def _converted(key: str, value: Any, references: Mapping[str, _Code], label: str) -> Any:
    """A value with references; maps, which are written with ``=``, as :class:`dict` in a one-element tuple."""
    if key == "Tags":
        return ({item["Key"]: item["Value"] for item in value},)
    if key == "Dimensions" and label == "Alarm":
        return ({item["Name"]: item["Value"] for item in value},)
    if key == "Environment":
        return (dict(value),)
    if isinstance(value, Mapping):
        return {_snake(inner): _converted(inner, item, references, label) for inner, item in value.items()}
    if isinstance(value, list):
        return [_converted(key, item, references, label) for item in value]
    return references.get(value, value) if isinstance(value, str) else value


def _block(head: str, arguments: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Lines of a block; a blank line follows a top-level one."""
    yield f"{indent}{head} {{"
    inner = indent + "  "
    for key, value in arguments.items():
        if isinstance(value, tuple):
            yield f"{inner}{key} = {{"
            yield from (f"{inner}  {_text(name)} = {_text(item)}" for name, item in value[0].items())
            yield f"{inner}}}"
        elif key == "aws":
            yield f"{inner}{key} = {{ " + ", ".join(f"{name} = {_text(item)}" for name, item in value.items()) + " }"
        elif isinstance(value, Mapping):
            yield from _block(key, value, inner)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for item in value:
                yield from _block(key, item, inner)
        else:
            yield f"{inner}{key} = {_text(value)}"
    yield f"{indent}}}"
    if not indent:
        yield ""


def _variable(name: str, description: str, default: str | None) -> Iterator[str]:
    given = {"default": default} if default else {}
    return _block(f'variable "{name}"', {"type": _Code("string"), "description": description, **given})


def _text(value: Any) -> str:
    if isinstance(value, _Code):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    # JSON's literals are HCL's, except for templates in strings.
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _address(label: str) -> str:
    return f"{_TYPES[label]}.{_LABEL}"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
