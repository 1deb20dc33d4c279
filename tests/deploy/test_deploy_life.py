"""The whole life of an endpoint: pushed, created, invoked, updated, deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.aws import ACCOUNT, REGION, ROLE, Account, container_tool
from support.gateway_process import Gateway, read_audio
from support.sagemaker_runtime import runtime

MANIFEST = json.dumps({"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "config": {"digest": "a"}})
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


def container(account: Account, name: str) -> dict[str, Any]:
    """The container of the model that an endpoint uses."""
    sagemaker = account.client("sagemaker")
    config = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    variant = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
    return sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]  # type: ignore[no-any-return]


@pytest.mark.slow
def test_endpoint_is_created_invoked_updated_and_deleted(
    account: Account, deploy: Any, tools: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = container_tool(tools)
    sagemaker, scaling = account.client("sagemaker"), account.client("application-autoscaling")
    with runtime(gateway.url) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        created = deploy("--max-instances", 2, "--env", "HF_ENDPOINT=https://hub.example", "-o", "first.wav")
        assert f"account {ACCOUNT}" in created.stderr
        samples, rate = read_audio(Path("first.wav").read_bytes())
        assert 0.8 < len(samples) / rate < 4

        # The image was pushed to a repository with immutable tags, under a tag of its own.
        uri = f"{REGISTRY}/voxgate-sagemaker:abababababab"
        assert log.read_text().splitlines() == [
            "image inspect --format {{.Id}} {{.Architecture}} voxgate-sagemaker",
            f"login --username AWS --password-stdin {REGISTRY}",
            f"{ACCOUNT}-auth-token",
            f"tag voxgate-sagemaker {uri}",
            f"push {uri}",
        ]
        ecr = account.client("ecr")
        (repository,) = ecr.describe_repositories()["repositories"]
        assert repository["imageTagMutability"] == "IMMUTABLE"
        assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
        ecr.put_image(repositoryName="voxgate-sagemaker", imageManifest=MANIFEST, imageTag="abababababab")

        assert container(account, "voxgate")["Image"] == uri
        assert container(account, "voxgate")["Environment"] == {"HF_ENDPOINT": "https://hub.example"}
        (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)
        assert len(account.client("cloudwatch").describe_alarms(AlarmNames=["voxgate-errors"])["MetricAlarms"]) == 1

        # Another configuration; the former one is kept, and its name printed.
        before = sagemaker.describe_endpoint(EndpointName="voxgate")["EndpointConfigName"]
        updated = deploy("--update", "--env", "HF_ENDPOINT=https://other.example", "--max-instances", 3)
        assert f"--endpoint-config-name {before}" in updated.stderr
        assert "in ECR already" in updated.stderr
        assert log.read_text().count("push") == 1
        (call,) = account.updates
        assert call["RetainAllVariantProperties"] is True, "the number of instances of that moment"
        assert call["DeploymentConfig"]["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "voxgate-errors"}]}
        assert container(account, "voxgate")["Environment"] == {"HF_ENDPOINT": "https://other.example"}
        assert len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 2

        # The same once more changes nothing.
        deploy("--update", "--env", "HF_ENDPOINT=https://other.example", "--max-instances", 3)
        assert len(account.updates) == 1
        assert len(sagemaker.list_models()["Models"]) == 2

    sagemaker.create_model(ModelName="voxgate-other", ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/{ROLE}")
    refused = deploy("--delete", input="n\n")
    assert "delete the endpoint: voxgate\n" in refused.stderr
    assert sagemaker.describe_endpoint(EndpointName="voxgate")["EndpointStatus"] == "InService"
    deploy("--delete", "--yes")
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName="voxgate")
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert [model["ModelName"] for model in sagemaker.list_models()["Models"]] == ["voxgate-other"]
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert account.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert "there is nothing to delete" in deploy("--delete").stderr


@pytest.mark.slow
def test_inference_component_is_created_updated_and_deleted(
    account: Account, deploy: Any, tools: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_tool(tools)
    options = ["--inference-component", "--instance-type", "ml.g5.xlarge", "--name", "shared"]
    with runtime(gateway.url) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        deploy(*options)
        first = account.components["shared"]["Specification"]
        assert first["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"] == 1
        config = account.client("sagemaker").describe_endpoint(EndpointName="shared")["EndpointConfigName"]
        made = account.client("sagemaker").describe_endpoint_config(EndpointConfigName=config)
        assert "ModelName" not in made["ProductionVariants"][0]
        deploy(*options, "--update", "--env", "LANG=C.UTF-8")
    assert account.updates == [], "the instances are the same"
    assert account.components["shared"]["Specification"]["ModelName"] != first["ModelName"]
    assert "RollingUpdatePolicy" in account.components["shared"]["DeploymentConfig"]
    deploy("--name", "shared", "--delete", "--yes")
    assert account.components == {}


def test_asynchronous_endpoint_answers_in_s3(account: Account, deploy: Any, tools: Path, clip: bytes) -> None:
    container_tool(tools)
    s3 = account.client("s3")
    s3.create_bucket(Bucket="speech", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="speech", Key="out/responses/1.out", Body=clip)
    account.async_output = "s3://speech/out/responses/1.out"
    deploy("--async", "s3://speech/out", "--max-instances", 2)
    assert Path("voxgate.wav").read_bytes() == clip
    assert json.loads(account.async_body) == {"text": "This endpoint is working."}
    sagemaker = account.client("sagemaker")
    config = sagemaker.describe_endpoint(EndpointName="voxgate")["EndpointConfigName"]
    output = sagemaker.describe_endpoint_config(EndpointConfigName=config)["AsyncInferenceConfig"]["OutputConfig"]
    assert output["S3OutputPath"] == "s3://speech/out/responses"
    policies = account.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="sagemaker")
    tracking = policies["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["CustomizedMetricSpecification"]["MetricName"] == "ApproximateBacklogSizePerInstance"
