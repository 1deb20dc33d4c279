"""CloudFormation and Terraform, rendered from the plan without a call to AWS."""

from __future__ import annotations

from typing import Any

import hcl2
import pytest
import yaml
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from typer.testing import CliRunner

from gateway.cli import app
from gateway.deploy.sagemaker.options import Deployment
from gateway.deploy.sagemaker.templates.cloudformation import cloudformation
from gateway.deploy.sagemaker.templates.terraform import terraform

VARIANTS = {
    "scaling": Deployment(engine="f5", max_instances=3),
    "async": Deployment(async_output="s3://speech/out", max_instances=2, model_data="s3://models/f5.tar.gz"),
    "component": Deployment(engine="f5", component=True, max_instances=2, model_data="s3://models/f5/"),
    "quoted": Deployment(environment={"GREETING": 'say "${hello}" and %{bye}'}),
}


@pytest.mark.parametrize("variant", ["async", "component"])
def test_cloudformation_templates_pass_the_linter(variant: str) -> None:
    assert lint(cloudformation(VARIANTS[variant]), config=ManualArgs(regions=["eu-central-1"])) == []


def test_cloudformation_refers_to_generated_names() -> None:
    template = yaml.safe_load(cloudformation(VARIANTS["scaling"]))
    declared = template["Resources"]
    assert "ModelName" not in declared["Model"]["Properties"], "a model cannot be changed, only replaced"
    (variant,) = declared["EndpointConfig"]["Properties"]["ProductionVariants"]
    assert variant["ModelName"] == {"Fn::GetAtt": ["Model", "ModelName"]}
    assert declared["Model"]["Properties"]["PrimaryContainer"]["Image"] == {"Ref": "Image"}
    assert declared["ScalableTarget"]["DependsOn"] == "Endpoint"


@pytest.mark.parametrize("want", VARIANTS.values(), ids=VARIANTS)
def test_terraform_code_is_valid_hcl(want: Deployment) -> None:
    found = hcl2.loads(terraform(want))
    declared: dict[str, Any] = {}
    for resource in found["resource"]:
        ((kind, labels),) = ((key.strip('"'), value) for key, value in resource.items() if not key.startswith("__"))
        declared[kind] = next(value for key, value in labels.items() if not key.startswith("__"))
    config = declared["aws_sagemaker_endpoint_configuration"]
    assert config["lifecycle"][0]["create_before_destroy"] in (True, "true")
    assert (
        "aws_sagemaker_endpoint_configuration.voxgate.name"
        in declared["aws_sagemaker_endpoint"]["endpoint_config_name"]
    )
    assert ("aws_sagemaker_inference_component" in declared) == want.component


def test_terraform_escapes_templates_in_strings() -> None:
    assert r'"GREETING" = "say \"$${hello}\" and %%{bye}"' in terraform(VARIANTS["quoted"])


def test_render_needs_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    role, image = "arn:aws:iam::123456789012:role/x", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/voxgate:1"
    options = ["deploy", "sagemaker", "--role", role, "--image", image, "--render"]
    rendered = CliRunner().invoke(app, [*options, "terraform"], catch_exceptions=False)
    assert f'default = "{image}"' in rendered.stdout
    rendered = CliRunner().invoke(app, [*options, "cloudformation"], catch_exceptions=False)
    assert yaml.safe_load(rendered.stdout)["Parameters"]["RoleArn"]["Default"] == role
