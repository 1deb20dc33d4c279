"""The plan of calls: what depends on what, and that a dry run changes nothing."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3.session
import botocore.session
import pytest
from support.aws import ACCOUNT, ROLE, Account, container_tool
from typer.testing import CliRunner

from gateway.cli import app
from gateway.deploy.sagemaker import instances
from gateway.deploy.sagemaker.options import Deployment
from gateway.deploy.sagemaker.plan import deletion, plan
from gateway.deploy.sagemaker.steps import Present, Step
from gateway.errors import InvalidRequest

IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/voxgate:1"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
VARIANTS = [
    Deployment(engine="f5", max_instances=3),
    Deployment(engine="f5", model_data="s3://models/f5/", instance_type="ml.g5.xlarge"),
    Deployment(async_output="s3://speech/out", max_instances=2, model_data="s3://models/f5.tar.gz"),
    Deployment(engine="fish", component=True, max_instances=2),
]


def steps(want: Deployment, **present: Any) -> dict[str, Step]:
    found = plan(want, Present(image=IMAGE, role_arn=ROLE_ARN, **present))
    return {step.operation: step for step in found}


def variant(found: dict[str, Step]) -> dict[str, Any]:
    return found["create_endpoint_config"].parameters["ProductionVariants"][0]  # type: ignore[no-any-return]


def test_every_call_has_the_parameters_that_the_service_declares() -> None:
    keys = ("components", "endpoints", "configs", "models", "alarms")
    planned = deletion("voxgate", {key: ["voxgate"] for key in keys}, ["inference-component/voxgate"])
    update = {"config": "former", "scaling": "endpoint/voxgate/variant/AllTraffic", "names": frozenset({"voxgate"})}
    for want in VARIANTS:
        planned += plan(want, Present(image=IMAGE, role_arn=ROLE_ARN))
        planned += plan(want, Present(image=IMAGE, role_arn=ROLE_ARN, **update))  # type: ignore[arg-type]
    session = boto3.session.Session(region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    clients = {service: session.client(service) for service in {step.service for step in planned}}
    for step in planned:
        client = clients[step.service]
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[step.operation])
        client._convert_to_request_dict(dict(step.parameters), model, client.meta.endpoint_url)  # validates


def test_plan_of_a_new_endpoint_is_in_the_order_of_dependencies() -> None:
    assert list(steps(Deployment(max_instances=2))) == [
        "create_model",
        "create_endpoint_config",
        "put_metric_alarm",
        "create_endpoint",
        "describe_endpoint",
        "register_scalable_target",
        "put_scaling_policy",
        "invoke_endpoint",
    ]


def test_gpu_instances_get_the_driver_of_the_wheels_and_time_for_a_download() -> None:
    found = variant(steps(Deployment(engine="f5")))
    assert found["InstanceType"] == "ml.g4dn.xlarge"
    assert found["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert found["ContainerStartupHealthCheckTimeoutInSeconds"] == 1800
    assert "InferenceAmiVersion" not in variant(steps(Deployment()))
    assert tuple(map(int, version("nvidia-cuda-runtime").split(".")[:2])) == instances.CUDA


def test_engine_without_model_data_uses_published_checkpoints() -> None:
    container = steps(Deployment(engine="f5"))["create_model"].parameters["PrimaryContainer"]
    variables = container["Environment"]
    assert variables["VOXGATE_DEFAULT_ENGINE"] == "f5"
    assert variables["VOXGATE_ENGINES__F5__LOAD"] == "eager"
    assert variables["VOXGATE_ENGINES__F5__MODEL__CHECKPOINT"].startswith("hf://SWivid/F5-TTS/")
    archived = steps(Deployment(engine="f5", model_data="s3://models/f5"))["create_model"].parameters
    assert "VOXGATE_ENGINES__F5__MODEL__CHECKPOINT" not in archived["PrimaryContainer"]["Environment"]
    source = archived["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
    assert source == {"S3Uri": "s3://models/f5/", "S3DataType": "S3Prefix", "CompressionType": "None"}


def test_names_follow_the_content() -> None:
    first, same, other = (
        steps(Deployment(environment=env))["create_model"].parameters["ModelName"]
        for env in ({"A": "1"}, {"A": "1"}, {"A": "2"})
    )
    assert first == same != other


def test_data_capture_is_off() -> None:
    assert "DataCaptureConfig" not in steps(Deployment())["create_endpoint_config"].parameters


def test_another_instance_type_is_set_while_the_endpoint_does_not_scale() -> None:
    present = {"config": "former", "instance_type": "ml.g4dn.xlarge", "scaling": "endpoint/voxgate/variant/AllTraffic"}
    order = list(steps(Deployment(engine="f5", instance_type="ml.g5.xlarge", max_instances=2), **present))
    assert order.index("deregister_scalable_target") < order.index("update_endpoint")
    assert order.index("update_endpoint") < order.index("register_scalable_target")
    assert "deregister_scalable_target" not in steps(Deployment(engine="f5", max_instances=2), **present)
    assert "deregister_scalable_target" in steps(Deployment(engine="f5"), **present), "no --max-instances: no scaling"


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"name": "vox_gate"}, "--name"),
        ({"name": "v" * 60}, "--name"),
        ({"repository": "Voxgate"}, "--repository"),
        ({"image": "voxgate:latest"}, "--image"),
        ({"engine": "tuba"}, "--engine"),
        ({"instance_type": "g5.xlarge"}, "--instance-type"),
        ({"instances": 0}, "--instances"),
        ({"instances": 3, "max_instances": 2}, "--max-instances"),
        ({"concurrency": 0}, "--concurrency"),
        ({"ready_timeout_s": 30}, "--ready-timeout"),
        ({"model_data": "https://models/f5"}, "--model-data"),
        ({"async_output": "s3://speech", "component": True}, "--async"),
        ({"component": True, "memory_mib": 1}, "--memory-mib"),
        ({"environment": {"VOXGATE_DEFAULT_ENGIN": "f5"}}, "--env"),
        ({"environment": {"A B": "1"}}, "--env"),
        ({"environment": {"A": "x" * 1025}}, "--env"),
        ({"environment": {f"A{i}": "" for i in range(101)}}, "--env"),
    ],
)
def test_invalid_options_name_the_option(options: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Deployment(**options)
    assert caught.value.param == param
    assert "must be" in caught.value.message


def test_dry_run_prints_every_call_and_makes_none(account: Account, deploy: Any, tools: Path) -> None:
    log = container_tool(tools)
    found = json.loads(deploy("--dry-run", "--engine", "f5").stdout)
    planned = {step["operation"]: step["parameters"] for step in found}
    assert list(planned)[:5] == ["create_repository", "get_authorization_token", "login", "tag", "push"]
    assert planned["create_endpoint"]["EndpointName"] == "voxgate"
    assert planned["create_model"]["ExecutionRoleArn"] == ROLE_ARN
    assert log.read_text().count("\n") == 1, "the image was inspected and not pushed"
    assert account.client("ecr").describe_repositories()["repositories"] == []
    assert account.client("sagemaker").list_models()["Models"] == []
    assert not Path("voxgate.wav").exists()


def test_table_lists_instance_types() -> None:
    table = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["deploy", "sagemaker", "--list-types"]).stdout
    for known in instances.KNOWN:
        assert known.name in table
        assert instances.gpus(known.name) == known.gpus
        assert instances.has_gpu(known.name) == bool(known.gpus)
    declared = botocore.session.get_session().get_service_model("sagemaker")
    types = declared.shape_for("ProductionVariantInstanceType").enum
    assert {known.name for known in instances.KNOWN} <= set(types)


@pytest.mark.parametrize(
    ("instance_type", "architecture", "gpu"),
    [
        ("ml.c7g.xlarge", "arm64", False),
        ("ml.c6gn.xlarge", "arm64", False),
        ("ml.m8g.2xlarge", "arm64", False),
        ("ml.g5.xlarge", "amd64", True),
        ("ml.g6e.xlarge", "amd64", True),
        ("ml.p6-b200.48xlarge", "amd64", True),
        ("ml.c6i.large", "amd64", False),
    ],
)
def test_architecture_follows_the_family(instance_type: str, architecture: str, gpu: bool) -> None:
    assert instances.architecture(instance_type) == architecture
    assert instances.has_gpu(instance_type) is gpu
