"""State of the account: identity, role, quota, image and endpoint, found by calls that change nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.deploy.aws import Aws
from gateway.deploy.errors import AwsError, QuotaExceeded, Unavailable, WrongState
from gateway.deploy.sagemaker import images
from gateway.deploy.sagemaker.calls import alarm_name, component_name
from gateway.deploy.sagemaker.options import VARIANT, Deployment, EcrImage
from gateway.deploy.sagemaker.roles import role_arn
from gateway.deploy.sagemaker.steps import Present, Step
from gateway.errors import InvalidRequest

Report = Callable[[str], None]

_BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


def survey(aws: Aws, want: Deployment, update: bool, report: Report) -> Present:
    """Check everything that a deployment depends on.

    :param update: the endpoint must exist; otherwise it must not.
    :param report: called with each finding.
    :raises AwsError: if something is missing or refused; names the fix.
    """
    if not want.role:
        raise InvalidRequest("the execution role is missing: give its name or ARN", param="--role")
    account = whoami(aws, report)
    config = _endpoint(aws, want.name, update)
    domain = "amazonaws.com.cn" if aws.partition == "aws-cn" else "amazonaws.com"
    registry = f"{account}.dkr.ecr.{aws.region}.{domain}"
    repository = want.repository
    push: tuple[Step, ...] = ()
    if want.image:
        image = EcrImage.parse(want.image)
        repository, uri = image.repository, want.image
        images.check_ecr_image(aws, image, want.instance)
    else:
        local = images.local_image(want)
        uri = f"{registry}/{repository}:{local.tag}"
        exists = aws.find("ecr", "describe_repositories", repositoryNames=[repository]) is not None
        tagged = exists and _has_tag(aws, repository, local.tag)
        push = images.push_steps(local, repository, uri, exists, tagged)
        report(f"image {want.local_image} of {local.tool}, {'in ECR already' if tagged else f'to push to {uri}'}")
    role = role_arn(aws, want, f"arn:{aws.partition}:ecr:{aws.region}:{account}:repository/{repository}", report)
    report(f"role {role}")
    _check_quota(aws, want, report)
    names = set(named(aws, want.name, "models") + named(aws, want.name, "configs"))
    if want.component and update:
        names |= set(components(aws, want.name)) & {component_name(want)}
    scaling = scaled_resources(aws, want.name)
    return Present(
        image=uri,
        role_arn=role,
        push=push,
        names=frozenset(names),
        config=config,
        instance_type=_instance_type(aws, config) if config else None,
        scaling=scaling[0] if scaling else None,
    )


def whoami(aws: Aws, report: Report) -> str:
    """Return the account's number; the first call, because nothing works without an identity."""
    identity = aws.call("sts", "get_caller_identity")
    report(f"account {identity['Account']}, {identity['Arn']}, region {aws.region}")
    return str(identity["Account"])


def named(aws: Aws, name: str, kind: str) -> list[str]:
    """Names of models or endpoint configurations that were made for an endpoint."""
    operation, key, field = {
        "models": ("list_models", "Models", "ModelName"),
        "configs": ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    }[kind]
    found = (item[field] for item in aws.list("sagemaker", operation, key, NameContains=f"{name}-"))
    return [item for item in found if re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", item)]


def components(aws: Aws, name: str) -> list[str]:
    """Names of the inference components on an endpoint."""
    found = aws.list("sagemaker", "list_inference_components", "InferenceComponents", EndpointNameEquals=name)
    return [item["InferenceComponentName"] for item in found]


def scaled_resources(aws: Aws, name: str) -> list[str]:
    """Resources of an endpoint whose number of instances or copies follows the load."""
    possible = [f"endpoint/{name}/variant/{VARIANT}", f"inference-component/{name}"]
    found = aws.list(
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        ServiceNamespace="sagemaker",
        ResourceIds=possible,
    )
    return [item["ResourceId"] for item in found if item["ResourceId"] in possible]


def existing(aws: Aws, name: str) -> dict[str, list[str]]:
    """Names of everything that was made for an endpoint, for its deletion."""
    endpoint = aws.find("sagemaker", "describe_endpoint", EndpointName=name)
    alarms = aws.list("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNames=[alarm_name(name)])
    return {
        "components": components(aws, name) if endpoint else [],
        "endpoints": [name] if endpoint else [],
        "configs": named(aws, name, "configs"),
        "models": named(aws, name, "models"),
        "alarms": [alarm["AlarmName"] for alarm in alarms],
    }


def _endpoint(aws: Aws, name: str, update: bool) -> str | None:
    """The endpoint's configuration; None if the endpoint does not exist."""
    found = aws.find("sagemaker", "describe_endpoint", EndpointName=name)
    if found is None:
        if update:
            raise WrongState(f"endpoint {name!r} does not exist in {aws.region}: leave out --update")
        return None
    status = found["EndpointStatus"]
    if status in _BUSY:
        raise WrongState(f"the endpoint {name!r} is {status}: wait until it is InService, then repeat the command")
    if not update:
        hint = "delete it with --delete" if status == "Failed" else "change it with --update, or choose another --name"
        raise WrongState(f"the endpoint {name!r} exists and is {status}: {hint}")
    if status == "Failed":
        raise WrongState(f"the endpoint {name!r} has failed and cannot be updated: --delete it, then create it again")
    return str(found["EndpointConfigName"])


def _instance_type(aws: Aws, config: str) -> str:
    found = aws.call("sagemaker", "describe_endpoint_config", EndpointConfigName=config)
    return str(found["ProductionVariants"][0]["InstanceType"])


def _has_tag(aws: Aws, repository: str, tag: str) -> bool:
    found = aws.find("ecr", "describe_images", repositoryName=repository, imageIds=[{"imageTag": tag}])
    return bool(found and found["imageDetails"])


def _check_quota(aws: Aws, want: Deployment, report: Report) -> None:
    """Compare the instances with the account's quota, which is 0 for most GPU types of a new account."""
    try:
        quotas = aws.list("service-quotas", "list_service_quotas", "Quotas", ServiceCode="sagemaker")
    except AwsError as error:
        report(f"the quota of {want.instance} is not checked: {error}".splitlines()[0])
        return
    wanted = f"{want.instance} for endpoint usage"
    found = next((quota for quota in quotas if quota["QuotaName"] == wanted), None)
    if found is None:
        types = [name for quota in quotas if (name := quota["QuotaName"]).endswith(" for endpoint usage")]
        offered = ", ".join(sorted(name.split()[0] for name in types if ".g" in name)) or "none with a GPU"
        raise Unavailable(
            f"SageMaker has no {want.instance} in {aws.region}: choose another --instance-type or --region; "
            f"GPU types here: {offered}"
        )
    most = max(want.instances, want.max_instances or 0)
    if found["Value"] < most:
        raise QuotaExceeded(
            f"the quota for {wanted} in {aws.region} is {found['Value']:g}, and {most} are wanted: request an increase "
            f"with `aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code "
            f"{found['QuotaCode']} --desired-value {most}`, or choose another --instance-type or --region"
        )
    report(f"quota for {wanted}: {found['Value']:g}")
