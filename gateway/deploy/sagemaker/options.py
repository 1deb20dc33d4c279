"""The wanted endpoint: options of the command, validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from gateway.deploy.sagemaker import instances
from gateway.environment import NOT_SETTINGS, PREFIX
from gateway.errors import InvalidRequest
from gateway.settings import Settings
from gateway.settings_sources import config_folder

VARIANT = "AllTraffic"

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_MAX_NAME_CHARS = 63 - 9  # the names of models and configurations end in -xxxxxxxx
_REPOSITORY = re.compile(r"([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*")
_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/"
    r"(?P<repository>[a-z0-9._/-]+)(:(?P<tag>[\w][\w.-]*)|@(?P<digest>sha256:[0-9a-f]{64}))"
)
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/\S*)?")
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MAX_VARIABLES, _MAX_VARIABLE_CHARS, _MAX_ENVIRONMENT_CHARS = 100, 1024, 32 * 1024

_BUNDLED_S, _FROM_S3_S, _DOWNLOADED_S = 300, 900, 1800  # default times for the engine to become ready


@dataclass(frozen=True)
class EcrImage:
    """An image in Amazon ECR."""

    uri: str
    account: str
    region: str
    repository: str
    id: Mapping[str, str]

    @classmethod
    def parse(cls, uri: str) -> EcrImage:
        """Parse ``ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG`` or ``…@sha256:…``.

        :raises InvalidRequest: if it is something else.
        """
        match = _ECR_IMAGE.fullmatch(uri)
        if match is None:
            rule = "ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, because SageMaker pulls from Amazon ECR only"
            raise InvalidRequest(f"invalid image {uri!r}: must be {rule}", param="--image")
        found = {"imageTag": match["tag"]} if match["tag"] else {"imageDigest": match["digest"]}
        return cls(uri, match["account"], match["region"], match["repository"], found)


@dataclass(frozen=True)
class Deployment:
    """An endpoint as it should be.

    :ivar image: URI of an image in ECR; None: push ``local_image`` to ``repository``.
    :ivar role: name or ARN of the execution role.
    :ivar engine: default engine; None: as the model archive says, or ``lite`` without one.
    :ivar max_instances: above ``instances``: scale between them.
    :ivar concurrency: concurrent requests per instance, or waiting ones of an asynchronous endpoint, to scale for.
    :ivar async_output: S3 prefix for responses; makes the endpoint asynchronous.
    :ivar component: serve by an inference component, so that other models can share the endpoint's instances.
    :ivar memory_mib: main memory that an inference component reserves.
    """

    name: str = "voxgate"
    role: str | None = None
    image: str | None = None
    local_image: str = "voxgate-sagemaker"
    repository: str = "voxgate-sagemaker"
    engine: str | None = None
    model_data: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    instance_type: str | None = None
    instances: int = 1
    max_instances: int | None = None
    concurrency: int = 4
    async_output: str | None = None
    component: bool = False
    memory_mib: int = 4096
    ready_timeout_s: int | None = None

    def __post_init__(self) -> None:
        _check(
            _NAME.fullmatch(self.name) and len(self.name) <= _MAX_NAME_CHARS,
            "--name",
            self.name,
            f"letters, digits and single hyphens between them, at most {_MAX_NAME_CHARS} characters",
        )
        _check(
            _REPOSITORY.fullmatch(self.repository) and 2 <= len(self.repository) <= 256,
            "--repository",
            self.repository,
            "2 to 256 characters: lower-case letters, digits, and . _ - / between them",
        )
        for option, value in (("--model-data", self.model_data), ("--async", self.async_output)):
            _check(value is None or _S3.fullmatch(value), option, value, "s3://BUCKET/PREFIX")
        _check(
            not (self.async_output and self.component),
            "--async",
            self.async_output,
            "used without --inference-component: SageMaker does not combine them",
        )
        _check(self.instances >= 1, "--instances", self.instances, "1 or more")
        _check(
            self.max_instances is None or self.max_instances >= self.instances,
            "--max-instances",
            self.max_instances,
            f"at least --instances, {self.instances}",
        )
        _check(self.concurrency >= 1, "--concurrency", self.concurrency, "1 or more")
        _check(self.memory_mib >= 128, "--memory-mib", self.memory_mib, "128 or more")
        _check(60 <= self.ready_s <= 3600, "--ready-timeout", self.ready_timeout_s, "60 to 3600 seconds")
        _check(
            self.engine is None or self.engine in _engines(),
            "--engine",
            self.engine,
            f"one of {', '.join(_engines())}; other engines need a voxgate.yaml in --model-data",
        )
        instances.has_gpu(self.instance)
        if self.image is not None:
            EcrImage.parse(self.image)
        _check_environment(self.environment)

    @property
    def instance(self) -> str:
        """The instance type; the smallest one that fits the engine by default."""
        return self.instance_type or ("ml.c6i.xlarge" if self.engine in (None, "lite") else "ml.g4dn.xlarge")

    @property
    def scales(self) -> bool:
        """Whether the number of instances follows the load."""
        return self.max_instances is not None and self.max_instances > self.instances

    @property
    def ready_s(self) -> int:
        """Time until ``/ping`` must answer 200: a first start may fetch checkpoints."""
        if self.ready_timeout_s is not None:
            return self.ready_timeout_s
        if self.model_data:
            return _FROM_S3_S
        return _BUNDLED_S if self.engine in (None, "lite") else _DOWNLOADED_S

    def variables(self) -> dict[str, str]:
        """Environment of the container: the engine selected and loaded at start, then the given variables."""
        chosen: dict[str, str] = {}
        if self.engine is not None:
            chosen = {
                f"{PREFIX}DEFAULT_ENGINE": self.engine,
                **{f"{PREFIX}ENGINES__{name.upper()}__LOAD": "lazy" for name in _engines() if name != self.engine},
                f"{PREFIX}ENGINES__{self.engine.upper()}__LOAD": "eager",
            }
            if not self.model_data:
                chosen |= _published_checkpoints(self.engine)
        return {**chosen, **self.environment}


def _engines() -> dict[str, dict[str, object]]:
    """Engines of configs/sagemaker.yaml, each with the keys that it sets there."""
    config = yaml.safe_load((config_folder() / "sagemaker.yaml").read_text())
    included = [path.rpartition("/")[2].removesuffix(".yaml") for path in config["include"]]
    return {name: config["engines"].get(name, {}) for name in included}


def _published_checkpoints(engine: str) -> dict[str, str]:
    """Variables that replace the files of a model archive by the checkpoints of configs/engines/."""
    settings = yaml.safe_load((config_folder() / f"engines/{engine}.yaml").read_text())["engines"][engine]
    archived = _engines()[engine].get("model", {})
    if not isinstance(archived, dict):
        return {}
    return {f"{PREFIX}ENGINES__{engine.upper()}__MODEL__{key.upper()}": settings["model"][key] for key in archived}


def _check_environment(variables: Mapping[str, str]) -> None:
    size = sum(len(key) + len(value) for key, value in variables.items())
    _check(
        len(variables) <= _MAX_VARIABLES and size <= _MAX_ENVIRONMENT_CHARS,
        "--env",
        f"{len(variables)} variables, {size} characters",
        "at most 100 variables and 32 KiB in all",
    )
    for key, value in variables.items():
        _check(_VARIABLE.fullmatch(key), "--env", key, "NAME=VALUE with a name of letters, digits and _")
        _check(max(len(key), len(value)) <= _MAX_VARIABLE_CHARS, "--env", key, "at most 1024 characters long")
        setting = key.removeprefix(PREFIX).split("__")[0].lower()
        known = not key.startswith(PREFIX) or key in NOT_SETTINGS or setting in Settings.model_fields
        _check(known, "--env", key, f"a setting of Voxgate after {PREFIX}: see docs/settings.md")


def _check(holds: object, param: str, value: object, rule: str) -> None:
    if not holds:
        raise InvalidRequest(f"invalid value {value!r}: must be {rule}", param=param)
