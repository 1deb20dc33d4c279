"""An AWS CloudFormation template. Its properties have the names of the API's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from gateway.deploy.sagemaker.options import Deployment
from gateway.deploy.sagemaker.templates.resources import IMAGE, ROLE, generated_names, resources

_TYPES = {
    "Model": "AWS::SageMaker::Model",
    "EndpointConfig": "AWS::SageMaker::EndpointConfig",
    "Alarm": "AWS::CloudWatch::Alarm",
    "Endpoint": "AWS::SageMaker::Endpoint",
    "InferenceComponent": "AWS::SageMaker::InferenceComponent",
    "ScalableTarget": "AWS::ApplicationAutoScaling::ScalableTarget",
    "ScalingPolicy": "AWS::ApplicationAutoScaling::ScalingPolicy",
}
_GENERATED = {"Model": "ModelName", "EndpointConfig": "EndpointConfigName"}


def cloudformation(want: Deployment) -> str:
    """Render an endpoint as a template in YAML, whose parameters are the image and the role."""
    found = resources(want)
    references: dict[str, Any] = {
        name: {"Fn::GetAtt": [label, _GENERATED[label]]} for name, label in generated_names(found).items()
    }
    references |= {IMAGE: {"Ref": "Image"}, ROLE: {"Ref": "RoleArn"}}
    declared = {}
    for item in found:
        own = _GENERATED.get(item.label)
        properties = {key: _value(value, references) for key, value in item.parameters.items() if key != own}
        after = {"DependsOn": item.after} if item.after else {}
        declared[item.label] = {"Type": _TYPES[item.label], **after, "Properties": properties}
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The Voxgate endpoint {want.name}. Push the image to Amazon ECR first.",
        "Parameters": {
            "Image": _parameter("URI of the image in Amazon ECR, with its tag", want.image),
            "RoleArn": _parameter("ARN of the execution role", want.role if "arn:" in (want.role or "") else None),
        },
        "Resources": declared,
        "Outputs": {"EndpointName": {"Value": {"Fn::GetAtt": ["Endpoint", "EndpointName"]}}},
    }
    rendered: str = yaml.safe_dump(template, sort_keys=False, allow_unicode=True, width=120)
    return rendered


def _parameter(description: str, default: str | None) -> dict[str, str]:
    return {"Type": "String", "Description": description, **({"Default": default} if default else {})}


def _value(value: Any, references: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _value(item, references) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, references) for item in value]
    return dict(references[value]) if isinstance(value, str) and value in references else value
