"""Check of the execution role: that it exists, that SageMaker may assume it, and what it may do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from gateway.deploy.aws import Aws
from gateway.deploy.errors import AwsError, UnusableRole
from gateway.deploy.sagemaker.options import Deployment

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_LOG = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "cloudwatch:PutMetricData")


def role_arn(aws: Aws, want: Deployment, repository_arn: str, report: Callable[[str], None]) -> str:
    """Return the role's ARN after checking it.

    :param report: called with a warning if its rights cannot be checked.
    :raises UnusableRole: if it does not exist, or lacks trust or rights.
    """
    name = (want.role or "").rpartition("/")[2]
    found = aws.find("iam", "get_role", RoleName=name)
    if found is None:
        raise UnusableRole(f"the role {name!r} does not exist: {_how_to_create(name, want, repository_arn)}")
    role = found["Role"]
    if not _trusts_sagemaker(role["AssumeRolePolicyDocument"]):
        raise UnusableRole(
            f"SageMaker may not assume the role {name!r}: set its trust policy to {json.dumps(TRUST)}, with "
            f"aws iam update-assume-role-policy --role-name {name} --policy-document file://trust.json"
        )
    missing: list[str] = []
    for actions, resources in _needed(want, repository_arn, aws.partition):
        try:
            missing += _refused(aws, role["Arn"], actions, resources)
        except AwsError as error:
            report(f"the rights of the role {name} are not checked: {error}".splitlines()[0])
            break
    if missing:
        policy = json.dumps(_policy(want, repository_arn, aws.partition))
        raise UnusableRole(f"the role {name!r} lacks {', '.join(missing)}: attach a policy such as {policy}")
    return str(role["Arn"])


def _trusts_sagemaker(document: dict[str, Any]) -> bool:
    for statement in _as_list(document.get("Statement", [])):
        principal = statement.get("Principal", {})
        services = _as_list(principal.get("Service", [])) if isinstance(principal, dict) else [principal]
        trusted = "sagemaker.amazonaws.com" in services or "*" in services
        if statement.get("Effect") == "Allow" and trusted and "sts:AssumeRole" in _as_list(statement.get("Action", [])):
            return True
    return False


def _refused(aws: Aws, arn: str, actions: Iterable[str], resources: Iterable[str]) -> list[str]:
    results = aws.list(
        "iam",
        "simulate_principal_policy",
        "EvaluationResults",
        PolicySourceArn=arn,
        ActionNames=list(actions),
        ResourceArns=list(resources),
    )
    return [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]


def _needed(want: Deployment, repository_arn: str, partition: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Actions of the container's host, with the resources that each group is needed for."""
    needed: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        (("ecr:GetAuthorizationToken",), ("*",)),
        (_PULL, (repository_arn,)),
        (_LOG, ("*",)),
    ]
    if want.model_data:
        bucket, _, key = want.model_data.removeprefix("s3://").partition("/")
        needed.append((("s3:ListBucket",), (f"arn:{partition}:s3:::{bucket}",)))
        objects = key if key.endswith((".tar.gz", ".tgz")) else f"{key.rstrip('/')}/*".lstrip("/")
        needed.append((("s3:GetObject",), (f"arn:{partition}:s3:::{bucket}/{objects}",)))
    if want.async_output:
        prefix = want.async_output.removeprefix("s3://").rstrip("/")
        needed.append((("s3:PutObject", "s3:GetObject"), (f"arn:{partition}:s3:::{prefix}/*",)))
    return needed


def _policy(want: Deployment, repository_arn: str, partition: str) -> dict[str, Any]:
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
        for actions, resources in _needed(want, repository_arn, partition)
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _how_to_create(name: str, want: Deployment, repository_arn: str) -> str:
    return (
        f"create it with\n"
        f"  aws iam create-role --role-name {name} --assume-role-policy-document '{json.dumps(TRUST)}'\n"
        f"  aws iam put-role-policy --role-name {name} --policy-name voxgate --policy-document "
        f"'{json.dumps(_policy(want, repository_arn, repository_arn.split(':')[1]))}'"
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
