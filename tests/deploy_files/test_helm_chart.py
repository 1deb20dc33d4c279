"""The Helm chart: its objects are valid, and the gateway accepts the configuration in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from support.deploy_tools import CHART, EXAMPLE, ROOT, helm, of_kind, render

from gateway.settings_sources import load_settings

SCHEMAS = Path(__file__).parent / "schemas"
MONITORED = [f"--set=monitoring.{key}=true" for key in ("serviceMonitor", "alerts", "dashboard")]
VARIANTS = {
    "default": [],
    "gpu": [f"--values={EXAMPLE}"],
    "custom metrics": [
        *MONITORED,
        "--set=sets.cpu.autoscaling.kind=custom-metrics",
        "--set=storage.data.accessMode=ReadWriteMany",
        "--set=storage.cache.persistent=false",
    ],
    "everything off": ["--set=networkPolicy.enabled=false", "--set=podDisruptionBudget.enabled=false"],
}


@pytest.fixture(scope="module")
def variants() -> dict[str, list[dict[str, Any]]]:
    return {name: render(*arguments) for name, arguments in VARIANTS.items()}


def custom_schemas() -> dict[str, dict[str, Any]]:
    """Schemas of the kinds that KEDA and the Prometheus operator define; unknown fields are errors."""

    def closed(schema: Any) -> Any:
        if isinstance(schema, str):
            return schema.replace("^(?i)", "(?i)^")  # Go allows flags there
        if isinstance(schema, list):
            return [closed(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        schema = {key: closed(value) for key, value in schema.items()}
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        return schema

    found = {}
    for path in SCHEMAS.glob("*.yaml"):
        spec = yaml.safe_load(path.read_text())["spec"]
        schema = spec["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["metadata"] = {}
        found[spec["names"]["kind"]] = closed(schema)
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_rendered_objects_are_valid(variants: dict[str, list[dict[str, Any]]], name: str) -> None:
    schemas = custom_schemas()
    for one in variants[name]:
        if one["kind"] in schemas:
            jsonschema.validate(one, schemas[one["kind"]])
        else:
            kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_values_select_the_kinds(variants: dict[str, list[dict[str, Any]]]) -> None:
    kinds = {name: {one["kind"] for one in objects} for name, objects in variants.items()}
    assert kinds["everything off"] == {"ConfigMap", "Deployment", "PersistentVolumeClaim", "Service"}
    assert kinds["default"] == kinds["everything off"] | {"NetworkPolicy", "PodDisruptionBudget"}
    assert kinds["gpu"] == kinds["default"] | {"ScaledObject", "ServiceMonitor", "PrometheusRule"}
    assert kinds["custom metrics"] == kinds["default"] | {"HorizontalPodAutoscaler", "ServiceMonitor", "PrometheusRule"}


@pytest.mark.parametrize("name", VARIANTS)
def test_configuration_is_the_gateways(
    variants: dict[str, list[dict[str, Any]]], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text(f"access: {{keys: {{ann: {{sha256: {'a' * 64}}}}}}}")
    configs = of_kind(variants[name], "ConfigMap")
    deployments = of_kind(variants[name], "Deployment")
    assert deployments
    for deployment in deployments.values():
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        text = configs[volumes["config"]["configMap"]["name"]]["data"]["voxgate.yaml"]
        path = tmp_path / "voxgate.yaml"
        path.write_text(text.replace("/etc/voxgate-keys/keys.yaml", str(keys)))
        with monkeypatch.context() as context:
            for variable in container["env"]:
                if "value" in variable:
                    context.setenv(variable["name"], variable["value"])
            settings = load_settings(path)
        assert (settings.host, settings.port) == ("0.0.0.0", container["ports"][0]["containerPort"])
        assert bool(settings.access.keys) == ("keys" in volumes) == (name == "gpu")
        assert str(settings.data_dir) in {mount["mountPath"] for mount in container["volumeMounts"]}
        stops_s = container["lifecycle"]["preStop"]["sleep"]["seconds"] + settings.limits.drain_s
        assert pod["terminationGracePeriodSeconds"] > stops_s


def test_pods_run_without_privileges(variants: dict[str, list[dict[str, Any]]]) -> None:
    for objects in variants.values():
        for deployment in of_kind(objects, "Deployment").values():
            pod = deployment["spec"]["template"]["spec"]
            security = pod["containers"][0]["securityContext"]
            assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
            assert security["readOnlyRootFilesystem"]
            assert not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert not pod["automountServiceAccountToken"]


def test_selectors_match_the_pods_of_one_set(variants: dict[str, list[dict[str, Any]]]) -> None:
    objects = variants["gpu"]
    pods = {
        name: one["spec"]["template"]["metadata"]["labels"].items()
        for name, one in of_kind(objects, "Deployment").items()
    }
    assert sorted(pods) == ["voxgate-cpu", "voxgate-f5"]
    selectors = {
        **{("Service", name): one["spec"]["selector"] for name, one in of_kind(objects, "Service").items()},
        **{
            (kind, name): one["spec"]["selector"]["matchLabels"]
            for kind in ("Deployment", "PodDisruptionBudget")
            for name, one in of_kind(objects, kind).items()
        },
    }
    assert len(selectors) == 6
    for (_, name), selector in selectors.items():
        assert [pod for pod, labels in pods.items() if selector.items() <= labels] == [name]
    monitor = of_kind(objects, "ServiceMonitor")["voxgate"]["spec"]["selector"]["matchLabels"].items()
    assert all(monitor <= one["metadata"]["labels"].items() for one in of_kind(objects, "Service").values())


def test_autoscaling_owns_the_number_of_replicas(variants: dict[str, list[dict[str, Any]]]) -> None:
    gpu = of_kind(variants["gpu"], "Deployment")
    assert gpu["voxgate-cpu"]["spec"]["replicas"] == 1
    assert "replicas" not in gpu["voxgate-f5"]["spec"]
    assert of_kind(variants["gpu"], "ScaledObject")["voxgate-f5"]["spec"]["scaleTargetRef"] == {"name": "voxgate-f5"}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("sets.cpu.replicas=3", "ReadWriteOnce serves one pod, and there can be 3"),
        ("sets.cpu.replica=3", "additional properties 'replica' not allowed"),
        ("sets.CPU.tag=cpu", "does not match pattern"),
        ("drainSeconds=-1", "minimum"),
    ],
)
def test_wrong_value_is_refused(value: str, error: str) -> None:
    refused = helm("template", "voxgate", CHART, "--set", value)
    assert refused.returncode != 0
    assert error in refused.stderr, refused.stderr


def test_schema_describes_exactly_the_values() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
    assert set(schema["definitions"]["set"]["properties"]) == set(values["setDefaults"])


def test_chart_passes_helms_linter() -> None:
    linted = helm("lint", "--strict", CHART, "--values", EXAMPLE)
    assert linted.returncode == 0, linted.stdout


def test_plain_manifest_is_the_rendered_chart() -> None:
    written = yaml.safe_load_all((ROOT / "deploy/kubernetes/voxgate.yaml").read_text())
    assert [one for one in written if one] == render(namespace="default")
