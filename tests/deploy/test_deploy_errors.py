"""Causes that stop a deployment: each has a typed error with the fix."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.stub import Stubber
from support.aws import ACCOUNT, REGION, Account, container_tool

from gateway.deploy import errors
from gateway.deploy.aws import Aws

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/voxgate:1"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.parametrize(
    ("code", "kind", "fix"),
    [
        ("ExpiredTokenException", errors.InvalidCredentials, "aws sso login"),
        ("InvalidClientTokenId", errors.InvalidCredentials, "aws-cn"),
        ("SignatureDoesNotMatch", errors.InvalidCredentials, "clock"),
        ("AccessDeniedException", errors.MissingRights, "sagemaker:CreateEndpoint"),
        ("ResourceLimitExceeded", errors.QuotaExceeded, "Service Quotas"),
        ("ValidationException", errors.AwsError, "ValidationException"),
    ],
)
def test_error_codes_become_typed_errors(account: Account, code: str, kind: type[Exception], fix: str) -> None:
    aws = Aws()
    with Stubber(aws._client("sagemaker")) as stub:
        stub.add_client_error("create_endpoint", code, "The reason.", http_status_code=400)
        with pytest.raises(kind, match=r"The reason\.") as caught:
            aws.call("sagemaker", "create_endpoint", EndpointName="a", EndpointConfigName="b")
    assert type(caught.value) is kind
    assert fix in str(caught.value)


def test_missing_credentials_list_the_ways_to_provide_them(
    account: Account, deploy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "aws sso login" in deploy(status=1).stderr


def test_unreachable_service_names_the_region(account: Account, deploy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert f"exists in the region {REGION}" in " ".join(deploy(status=1).stderr.split())


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        ({}, ["--region", "Frankfurt"], "--region: invalid region 'Frankfurt'"),
        ({"AWS_DEFAULT_REGION": None}, [], "--region: no region is configured"),
        ({"AWS_PROFILE": "other"}, [], "aws configure list-profiles"),
    ],
)
def test_region_and_profile_are_checked(
    account: Account,
    deploy: Any,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str | None],
    options: list[str],
    message: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    assert message in deploy(*options, status=1 if "profiles" in message else 2).stderr


def test_missing_boto3_names_the_extra() -> None:
    code = "import sys; sys.modules['boto3'] = None; from gateway.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "deploy", "sagemaker", "--role", "x"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "pip install 'voxgate[aws]'" in done.stderr


# ---- role


def test_missing_role_is_answered_with_the_commands_that_create_it(account: Account, deploy: Any, tools: Path) -> None:
    container_tool(tools)
    message = deploy("--model-data", "s3://models/f5", role="Nobody", status=1).stderr
    assert "aws iam create-role --role-name Nobody" in message
    assert "arn:aws:s3:::models/f5/*" in message
    assert "--role" in deploy(role=None, status=2).stderr


def test_role_without_trust_is_refused(account: Account, deploy: Any, tools: Path) -> None:
    container_tool(tools)
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    account.client("iam").create_role(RoleName="Ec2", AssumeRolePolicyDocument=document)
    assert "sagemaker.amazonaws.com" in deploy(role="Ec2", status=1).stderr


def test_missing_rights_of_the_role_are_listed(account: Account, deploy: Any, tools: Path) -> None:
    container_tool(tools)
    account.denied = {"ecr:BatchGetImage", "s3:GetObject"}
    message = deploy("--model-data", "s3://models/f5.tar.gz", status=1).stderr
    assert "lacks ecr:BatchGetImage, s3:GetObject" in message
    assert f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/voxgate-sagemaker" in message


# ---- quota and state


def test_quota_and_missing_instance_types_are_found_before_the_push(account: Account, deploy: Any, tools: Path) -> None:
    log = container_tool(tools)
    message = deploy("--instance-type", "ml.g5.xlarge", "--instances", 3, status=1).stderr
    assert "is 2, and 3 are wanted" in message
    assert "request-service-quota-increase" in message
    message = deploy("--instance-type", "ml.p5.4xlarge", status=1).stderr
    assert f"no ml.p5.4xlarge in {REGION}" in message
    assert "ml.g4dn.xlarge, ml.g5.xlarge" in message
    assert "push" not in log.read_text()


def test_existing_endpoint_needs_update_and_update_an_existing_endpoint(
    account: Account, deploy: Any, tools: Path
) -> None:
    container_tool(tools)
    assert "leave out --update" in deploy("--update", status=1).stderr
    sagemaker = account.client("sagemaker")
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/x")
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InstanceType": "ml.c6i.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="voxgate", EndpointConfigName="c")
    assert "change it with --update" in deploy(status=1).stderr
    account.statuses = [{"EndpointStatus": "Updating"}]
    assert "is Updating: wait" in deploy("--update", status=1).stderr


@pytest.mark.parametrize(
    ("reason", "line", "advice"),
    [
        ("The primary container did not pass the ping health check.", "loading f5", "--ready-timeout gives it longer"),
        (
            "The container failed to start.",
            "exec /usr/bin/voxgate: exec format error",
            "another processor architecture",
        ),
        ("Unable to provision requested ML compute capacity.", "", "choose another --instance-type"),
    ],
)
def test_failed_endpoint_shows_the_reason_and_the_containers_log(
    account: Account, deploy: Any, tools: Path, reason: str, line: str, advice: str
) -> None:
    container_tool(tools)
    logs, group = account.client("logs"), "/aws/sagemaker/Endpoints/voxgate"
    if line:
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="AllTraffic/i-1")
        event = {"timestamp": int(time.time() * 1000), "message": line}
        logs.put_log_events(logGroupName=group, logStreamName="AllTraffic/i-1", logEvents=[event])
    account.statuses = [{"EndpointStatus": "Failed", "FailureReason": reason}]
    message = deploy(status=1).stderr
    assert f"voxgate is Failed: {reason}" in message
    assert (line or "has logged nothing") in message
    assert advice in message


def test_rolled_back_update_is_an_error(account: Account, deploy: Any, tools: Path) -> None:
    container_tool(tools)
    account.statuses = [{"EndpointStatus": "InService", "EndpointConfigName": "former", "FailureReason": "Alarm rang."}]
    assert "InService with the former configuration: Alarm rang." in deploy(status=1).stderr


def test_response_that_is_not_speech_is_an_error(account: Account, deploy: Any, tools: Path) -> None:
    container_tool(tools)
    assert "not a WAV file" in deploy(status=1).stderr  # moto answers "body"
    assert not Path("voxgate.wav").exists()


# ---- image


def test_machine_without_a_tool_gets_the_commands(account: Account, deploy: Any, tools: Path) -> None:
    message = deploy(status=1).stderr
    for command in ("docker build --target sagemaker", "aws ecr get-login-password | docker login", "docker push"):
        assert command in message


def test_image_for_another_architecture_is_refused(account: Account, deploy: Any, tools: Path) -> None:
    container_tool(tools, architecture="arm64")
    assert "--platform linux/amd64" in deploy(status=1).stderr


def test_buildah_pushes_in_dockers_format(account: Account, deploy: Any, tools: Path) -> None:
    container_tool(tools, "buildah")
    argv = next(
        step["parameters"]["argv"] for step in json.loads(deploy("--dry-run").stdout) if "push" in step["purpose"]
    )
    assert argv[:4] == ["buildah", "push", "--format", "v2s2"]


def test_failed_push_shows_the_tools_message(account: Account, deploy: Any, tools: Path) -> None:
    program = container_tool(tools).with_suffix("")
    program.write_text(program.read_text().replace("esac", "  push) echo no space left; exit 1 ;;\nesac"))
    assert "no space left" in deploy(status=1).stderr
    assert account.client("sagemaker").list_models()["Models"] == []


def put_image(account: Account, manifest: dict[str, Any]) -> None:
    account.client("ecr").create_repository(repositoryName="voxgate")
    account.client("ecr").put_image(repositoryName="voxgate", imageManifest=json.dumps(manifest), imageTag="1")


def test_image_in_ecr_is_checked_and_not_pushed(
    account: Account, deploy: Any, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "does not exist" in deploy("--image", IMAGE, status=1).stderr
    put_image(account, {"mediaType": MANIFEST, "config": {"digest": "sha256:" + "0" * 64}})
    architectures = iter(["arm64", "amd64"])
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"architecture": next(architectures)}))
    monkeypatch.setattr(httpx, "stream", httpx.Client(transport=transport).stream)
    account.layer_url = "https://layers.example/config"
    assert "is for arm64, and ml.c6i.xlarge runs amd64" in deploy("--image", IMAGE, status=1).stderr
    planned = json.loads(deploy("--image", IMAGE, "--dry-run").stdout)
    assert planned[0]["operation"] == "create_model"
    assert planned[0]["parameters"]["PrimaryContainer"]["Image"] == IMAGE
    other = IMAGE.replace(REGION, "us-east-1")
    assert "SageMaker pulls from its own region" in deploy("--image", other, status=1).stderr


def test_index_of_images_is_refused(account: Account, deploy: Any) -> None:
    put_image(account, {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []})
    assert "--provenance=false" in deploy("--image", IMAGE, status=1).stderr
