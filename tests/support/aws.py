"""An AWS account on this machine: moto's server, with the operations of SageMaker that moto lacks."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import moto.ecr.responses
import moto.iam.responses
import moto.sagemaker.models
import moto.sagemaker.responses
import moto.sagemakerruntime.responses
import moto.servicequotas.responses
import pytest
from botocore.config import Config
from moto.core.responses import ActionResult, EmptyResult
from moto.moto_api._internal.models import moto_api_backend
from moto.sagemaker.exceptions import ValidationError
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
ACCOUNT = "123456789012"
ROLE = "SageMakerVoxgate"


@dataclass
class Account:
    """State of what moto lacks."""

    url: str = ""
    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    quotas: dict[str, float] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)  # actions that simulate_principal_policy refuses
    statuses: list[dict[str, Any]] = field(default_factory=list)  # of the endpoint, before its own
    layer_url: str = ""
    async_body: bytes = b""  # of the last asynchronous invocation
    async_output: str = ""  # where its response will be

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
        config = Config(proxies={}, retries={"total_max_attempts": 1})
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, config=config, **keys)


account = Account()


def _update_endpoint(self: Any) -> ActionResult:
    call = {key: self._get_param(key) for key in ("EndpointName", "EndpointConfigName", "DeploymentConfig")}
    call["RetainAllVariantProperties"] = self._get_param("RetainAllVariantProperties")
    account.updates.append(call)
    self.sagemaker_backend.describe_endpoint_config(call["EndpointConfigName"])
    self.sagemaker_backend.endpoints[call["EndpointName"]].endpoint_config_name = call["EndpointConfigName"]
    return ActionResult({"EndpointArn": self.sagemaker_backend.endpoints[call["EndpointName"]].arn})


_create_config = moto.sagemaker.models.SageMakerModelBackend.create_endpoint_config


def _create_endpoint_config(self: Any, production_variants: list[dict[str, Any]], **config: Any) -> Any:
    """Variants of inference components have no model, which moto looks up."""
    self._models[None] = None
    try:
        made = _create_config(
            self, production_variants=[{"ModelName": None, **variant} for variant in production_variants], **config
        )
    finally:
        del self._models[None]
    made.production_variants = production_variants
    return made


_describe = moto.sagemaker.responses.SageMakerResponse.describe_endpoint


def _describe_endpoint(self: Any) -> ActionResult:
    found = _describe(self)
    return ActionResult({**found.result, **account.statuses.pop(0)}) if account.statuses else found  # type: ignore[dict-item]


def _create_component(self: Any) -> ActionResult:
    keys = ("InferenceComponentName", "EndpointName", "VariantName", "Specification", "RuntimeConfig")
    made = {key: self._get_param(key) for key in keys}
    account.components[made["InferenceComponentName"]] = made
    return ActionResult({"InferenceComponentArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:inference-component/x"})


def _update_component(self: Any) -> ActionResult:
    component = account.components[self._get_param("InferenceComponentName")]
    component["Specification"] = self._get_param("Specification")
    component["DeploymentConfig"] = self._get_param("DeploymentConfig")
    return ActionResult({"InferenceComponentArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:inference-component/x"})


def _describe_component(self: Any) -> ActionResult:
    name = self._get_param("InferenceComponentName")
    if name not in account.components:
        raise ValidationError(message=f"Could not find inference component '{name}'.")
    return ActionResult({**account.components[name], "InferenceComponentStatus": "InService"})


def _list_components(self: Any) -> ActionResult:
    wanted = self._get_param("EndpointNameEquals")
    found = [component for component in account.components.values() if component["EndpointName"] == wanted]
    return ActionResult({"InferenceComponents": found})


def _delete_component(self: Any) -> ActionResult:
    del account.components[self._get_param("InferenceComponentName")]
    return EmptyResult()


def _simulate(self: Any) -> ActionResult:
    actions = self._get_param("ActionNames")
    results = [
        {"EvalActionName": action, "EvalDecision": "implicitDeny" if action in account.denied else "allowed"}
        for action in actions
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _quotas(self: Any) -> ActionResult:
    found = [
        {"QuotaName": f"{name} for endpoint usage", "Value": value, "QuotaCode": "L-1"}
        for name, value in account.quotas.items()
    ]
    return ActionResult({"Quotas": found})


def _layer(self: Any) -> ActionResult:
    return ActionResult({"downloadUrl": account.layer_url, "layerDigest": "sha256:" + "0" * 64})


def _invoke_async(self: Any) -> tuple[int, dict[str, str], str]:
    account.async_body = self.body
    return 200, {"X-Amzn-SageMaker-OutputLocation": account.async_output}, json.dumps({"InferenceId": "1"})


_ADDED = {
    (moto.sagemakerruntime.responses.SageMakerRuntimeResponse, "invoke_endpoint_async"): _invoke_async,
    (moto.sagemaker.responses.SageMakerResponse, "update_endpoint"): _update_endpoint,
    (moto.sagemaker.responses.SageMakerResponse, "describe_endpoint"): _describe_endpoint,
    (moto.sagemaker.responses.SageMakerResponse, "create_inference_component"): _create_component,
    (moto.sagemaker.responses.SageMakerResponse, "update_inference_component"): _update_component,
    (moto.sagemaker.responses.SageMakerResponse, "describe_inference_component"): _describe_component,
    (moto.sagemaker.responses.SageMakerResponse, "list_inference_components"): _list_components,
    (moto.sagemaker.responses.SageMakerResponse, "delete_inference_component"): _delete_component,
    (moto.iam.responses.IamResponse, "simulate_principal_policy"): _simulate,
    (moto.servicequotas.responses.ServiceQuotasResponse, "list_service_quotas"): _quotas,
    (moto.ecr.responses.ECRResponse, "get_download_url_for_layer"): _layer,
    (moto.sagemaker.models.SageMakerModelBackend, "create_endpoint_config"): _create_endpoint_config,
    # moto's list of instance types ends before ml.g5.
    (moto.sagemaker.models.FakeEndpointConfig, "validate_instance_type"): lambda self, instance_type: None,
}


@contextmanager
def server() -> Iterator[str]:
    """Serve an empty account on a free port of this machine; yields its URL."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        for (kind, name), method in _ADDED.items():
            patch.setattr(kind, name, method, raising=False)
        running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        running.start()
        try:
            host, port = running.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            running.stop()


def reset(url: str) -> Account:
    """Empty the account, but for an execution role that SageMaker may assume."""
    moto_api_backend.reset()
    account.__init__(url=url, quotas={"ml.c6i.xlarge": 4, "ml.g4dn.xlarge": 2, "ml.g5.xlarge": 2})  # type: ignore[misc]
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    account.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=document)
    return account


def environment(url: str) -> dict[str, str]:
    """Variables with which boto3 uses that server, and nothing of this machine."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "*",
    }


def container_tool(folder: Path, name: str = "docker", architecture: str = "amd64", image_id: str = "ab" * 32) -> Path:
    """A program in ``folder`` that answers as docker does; returns the file of the commands that it received."""
    log = folder / f"{name}.log"
    inspected = f"sha256:{image_id} {architecture}"
    script = f"""#!/bin/sh
echo "$@" >> {log}
case "$1" in
  image|inspect) echo "{inspected}" ;;
  login) /bin/cat >> {log}; echo >> {log} ;;
esac
"""
    program = folder / name
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return log
