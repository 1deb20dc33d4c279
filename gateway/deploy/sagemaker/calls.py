"""The calls of a plan, with their parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.deploy.sagemaker import instances
from gateway.deploy.sagemaker.options import VARIANT, Deployment
from gateway.deploy.sagemaker.steps import Present, Step

BAKE_S = 300
"""Time for which an update keeps the former instances and watches the alarm."""

SMOKE_TEXT = "This endpoint is working."


def component_name(want: Deployment) -> str:
    """Name of the inference component, which stays the same over updates."""
    return want.name


def alarm_name(name: str) -> str:
    """Name of the alarm that rolls an update back."""
    return f"{name}-errors"


def smoke(want: Deployment) -> Step:
    """The first request, whose response is saved."""
    call: dict[str, Any] = {"EndpointName": want.name, "ContentType": "application/json", "Accept": "audio/wav"}
    call["Body"] = json.dumps({"text": SMOKE_TEXT})
    if want.component:
        call["InferenceComponentName"] = component_name(want)
    operation = "invoke_endpoint_async" if want.async_output else "invoke_endpoint"
    return Step("request speech, and save it", "sagemaker-runtime", operation, call)


def create_model(want: Deployment, present: Present) -> Step:
    """The model: image, variables and role, named by its content."""
    container: dict[str, Any] = {"Image": present.image, "Environment": want.variables()}
    if want.model_data and want.model_data.endswith((".tar.gz", ".tgz")):
        container["ModelDataUrl"] = want.model_data
    elif want.model_data:
        prefix = want.model_data.rstrip("/") + "/"
        source = {"S3Uri": prefix, "S3DataType": "S3Prefix", "CompressionType": "None"}
        container["ModelDataSource"] = {"S3DataSource": source}
    wanted = {"PrimaryContainer": container, "ExecutionRoleArn": present.role_arn, "Tags": _tags(want)}
    return Step("create the model", "sagemaker", "create_model", {"ModelName": _named(want, wanted), **wanted})


def create_config(want: Deployment, present: Present, model: str) -> Step:
    """The endpoint configuration, named by its content."""
    variant: dict[str, Any] = {
        "VariantName": VARIANT,
        "InstanceType": want.instance,
        "InitialInstanceCount": want.instances,
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }
    if ami := instances.ami(want.instance):
        variant["InferenceAmiVersion"] = ami
    wanted: dict[str, Any] = {"ProductionVariants": [variant], "Tags": _tags(want)}  # no DataCaptureConfig: texts stay
    if want.component:
        most = want.max_instances or want.instances
        range_ = {"Status": "ENABLED", "MinInstanceCount": want.instances, "MaxInstanceCount": most}
        variant["ManagedInstanceScaling"] = range_
        wanted["ExecutionRoleArn"] = present.role_arn
    else:
        variant |= {"ModelName": model, "ContainerStartupHealthCheckTimeoutInSeconds": want.ready_s}
        if want.model_data:
            variant["ModelDataDownloadTimeoutInSeconds"] = want.ready_s
    if want.async_output:
        prefix = want.async_output.rstrip("/")
        output = {"S3OutputPath": f"{prefix}/responses", "S3FailurePath": f"{prefix}/failures"}
        wanted["AsyncInferenceConfig"] = {
            "OutputConfig": output,
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": want.concurrency},
        }
    named = {"EndpointConfigName": _named(want, wanted), **wanted}
    return Step("create the endpoint configuration", "sagemaker", "create_endpoint_config", named)


def put_alarm(want: Deployment) -> Step:
    """The alarm on server errors, which rolls updates back."""
    dimensions = [{"Name": "EndpointName", "Value": want.name}, {"Name": "VariantName", "Value": VARIANT}]
    if want.component:
        dimensions = [{"Name": "InferenceComponentName", "Value": component_name(want)}]
    parameters = {
        "AlarmName": alarm_name(want.name),
        "AlarmDescription": "Server errors of the endpoint; an update during which it rings is rolled back.",
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocation5XXErrors",
        "Dimensions": dimensions,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    return Step("set the alarm that rolls updates back", "cloudwatch", "put_metric_alarm", parameters)


def _rollback(want: Deployment) -> dict[str, Any]:
    return {"Alarms": [{"AlarmName": alarm_name(want.name)}]}


def _deployment(want: Deployment) -> dict[str, Any]:
    """Blue/green: the former instances serve until the new ones are ready, and stay for BAKE_S after that."""
    policy = {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
        "TerminationWaitInSeconds": BAKE_S,
        "MaximumExecutionTimeoutInSeconds": 2 * want.ready_s + BAKE_S + 1800,
    }
    return {"BlueGreenUpdatePolicy": policy, "AutoRollbackConfiguration": _rollback(want)}


def create_endpoint(want: Deployment, config: Step) -> Step:
    """The endpoint, with the policy of its later updates."""
    parameters: dict[str, Any] = {
        "EndpointName": want.name,
        "EndpointConfigName": config.parameters["EndpointConfigName"],
        "Tags": _tags(want),
    }
    if not want.component:  # an endpoint of inference components is updated component by component
        parameters["DeploymentConfig"] = _deployment(want)
    return Step("create the endpoint", "sagemaker", "create_endpoint", parameters)


def update_endpoint(want: Deployment, present: Present, config: Step) -> Step:
    """The update to another configuration."""
    parameters: dict[str, Any] = {
        "EndpointName": want.name,
        "EndpointConfigName": config.parameters["EndpointConfigName"],
        "RetainAllVariantProperties": bool(present.scaling and want.scales),  # the number of instances of this moment
    }
    if not want.component:
        parameters["DeploymentConfig"] = _deployment(want)
    return Step("update the endpoint", "sagemaker", "update_endpoint", parameters)


def wait(want: Deployment) -> Step:
    """The wait until the endpoint is in service."""
    by_name = {"EndpointName": want.name}
    return Step("wait for the endpoint", "sagemaker", "describe_endpoint", by_name, waits="InService")


def wait_deleted(operation: str, by_name: dict[str, str]) -> Step:
    """The wait until a description no longer exists."""
    return Step("wait for its deletion", "sagemaker", operation, by_name, waits="Deleted")


def component_steps(want: Deployment, present: Present, model: Step) -> Iterator[Step]:
    """The inference component: created, or updated copy by copy."""
    resources: dict[str, Any] = {"MinMemoryRequiredInMb": want.memory_mib}
    if instances.has_gpu(want.instance):
        resources["NumberOfAcceleratorDevicesRequired"] = 1
    else:
        resources["NumberOfCpuCoresRequired"] = 1
    start: dict[str, Any] = {"ContainerStartupHealthCheckTimeoutInSeconds": want.ready_s}
    if want.model_data:
        start["ModelDataDownloadTimeoutInSeconds"] = want.ready_s
    name = component_name(want)
    specification = {
        "ModelName": model.parameters["ModelName"],
        "StartupParameters": start,
        "ComputeResourceRequirements": resources,
    }
    parameters: dict[str, Any] = {"InferenceComponentName": name, "Specification": specification}
    if name in present.names:
        rolling = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": BAKE_S}
        rollback = {"RollingUpdatePolicy": rolling, "AutoRollbackConfiguration": _rollback(want)}
        parameters["DeploymentConfig"] = rollback
        yield Step("update the inference component", "sagemaker", "update_inference_component", parameters)
    else:
        where = {"EndpointName": want.name, "VariantName": VARIANT, "RuntimeConfig": {"CopyCount": want.instances}}
        parameters |= {**where, "Tags": _tags(want)}
        yield Step("create the inference component", "sagemaker", "create_inference_component", parameters)
    by_name = {"InferenceComponentName": name}
    yield Step("wait for the component", "sagemaker", "describe_inference_component", by_name, waits="InService")


def scaling_resource(want: Deployment) -> str:
    """Name of the resource that scales, as Application Auto Scaling has it."""
    if want.component:
        return f"inference-component/{component_name(want)}"
    return f"endpoint/{want.name}/variant/{VARIANT}"


def _target(resource: str) -> dict[str, Any]:
    is_component = resource.startswith("inference-component/")
    dimension = "inference-component:DesiredCopyCount" if is_component else "variant:DesiredInstanceCount"
    return {"ServiceNamespace": "sagemaker", "ResourceId": resource, "ScalableDimension": f"sagemaker:{dimension}"}


def scaling_steps(want: Deployment, resource: str) -> Iterator[Step]:
    """The scalable target and its policy."""
    target = _target(resource)
    range_ = {"MinCapacity": want.instances, "MaxCapacity": want.max_instances}
    yield Step("let it scale", "application-autoscaling", "register_scalable_target", {**target, **range_})
    tracking: dict[str, Any] = {"TargetValue": float(want.concurrency), "ScaleInCooldown": 300, "ScaleOutCooldown": 60}
    if want.async_output:  # its queue hides the concurrency
        tracking["CustomizedMetricSpecification"] = {
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Namespace": "AWS/SageMaker",
            "Dimensions": [{"Name": "EndpointName", "Value": want.name}],
            "Statistic": "Average",
        }
    else:
        kind = "InferenceComponentConcurrentRequestsPerCopy" if want.component else "VariantConcurrentRequestsPerModel"
        metric = f"SageMaker{kind}HighResolution"
        tracking["PredefinedMetricSpecification"] = {"PredefinedMetricType": metric}
    policy = {"PolicyName": f"{want.name}-load", **target, "PolicyType": "TargetTrackingScaling"}
    policy["TargetTrackingScalingPolicyConfiguration"] = tracking
    yield Step("scale with the load", "application-autoscaling", "put_scaling_policy", policy)


def deregister(resource: str) -> Step:
    """The end of scaling."""
    return Step("stop scaling", "application-autoscaling", "deregister_scalable_target", _target(resource))


def _tags(want: Deployment) -> list[dict[str, str]]:
    return [{"Key": "voxgate", "Value": want.name}]


def _named(want: Deployment, parameters: Mapping[str, Any]) -> str:
    """A name by content: equal parameters are the same object, which need not be made again."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    return f"{want.name}-{digest[:8]}"
