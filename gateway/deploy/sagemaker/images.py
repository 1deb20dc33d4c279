"""Images: the local one, the commands that push it, and the check of one that is in Amazon ECR."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from gateway.deploy.aws import Aws
from gateway.deploy.errors import AwsError, UnusableImage
from gateway.deploy.sagemaker import instances
from gateway.deploy.sagemaker.options import Deployment, EcrImage
from gateway.deploy.sagemaker.steps import Step

_TOOLS = ("docker", "podman", "buildah")
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MAX_CONFIG_BYTES = 2**20
_BUILD = "docker build --target sagemaker -t {name} --platform linux/{architecture} --provenance=false ."


@dataclass(frozen=True)
class LocalImage:
    """An image of docker, podman or buildah on this machine.

    :ivar id: hex digits of its configuration's hash, different for each build.
    """

    tool: str
    name: str
    id: str
    architecture: str

    @property
    def tag(self) -> str:
        """A tag that no other build has, because tags are immutable."""
        return self.id[:12]


def local_image(want: Deployment) -> LocalImage:
    """Find the image on this machine.

    :raises UnusableImage: if no tool has it, or its architecture is not the instance type's; says how to build it.
    """
    needed = instances.architecture(want.instance)
    build = _BUILD.format(name=want.local_image, architecture=needed)
    installed = [tool for tool in _TOOLS if shutil.which(tool)]
    if not installed:
        raise UnusableImage(
            "none of docker, podman and buildah is on this machine. On one that has it, run\n  "
            + "\n  ".join([build, *push_by_hand(want)])
            + "\nand repeat this command with --image URI."
        )
    for tool in installed:
        if (found := _inspect(tool, want.local_image)) is not None:
            if found.architecture != needed:
                raise UnusableImage(
                    f"the image {want.local_image} is for {found.architecture}, and {want.instance} runs {needed}: "
                    f"build it with\n  {build}\nor choose another --instance-type"
                )
            return found
    raise UnusableImage(f"{' and '.join(installed)} have no image {want.local_image}: build it with\n  {build}")


def push_by_hand(want: Deployment) -> list[str]:
    """Commands that push the image, for a machine without Python."""
    return [
        f"aws ecr create-repository --repository-name {want.repository} --image-tag-mutability IMMUTABLE "
        "--image-scanning-configuration scanOnPush=true",
        "registry=$(aws sts get-caller-identity --query Account --output text)"
        ".dkr.ecr.$(aws configure get region).amazonaws.com",
        "aws ecr get-login-password | docker login --username AWS --password-stdin $registry",
        f"docker tag {want.local_image} $registry/{want.repository}:1",
        f"docker push $registry/{want.repository}:1",
    ]


def push_steps(image: LocalImage, repository: str, uri: str, exists: bool, tagged: bool) -> tuple[Step, ...]:
    """Steps that create the repository and push the image, as far as either is missing."""
    if tagged:
        return ()
    steps = []
    if not exists:
        steps.append(Step("create the image repository", "ecr", "create_repository", repository_settings(repository)))
    steps.append(Step("request a password for the registry", "ecr", "get_authorization_token", {}))
    registry = uri.partition("/")[0]
    docker_format = ["--format", "v2s2"] if image.tool != "docker" else []
    for purpose, argv in (
        ("log in to the registry", ["login", "--username", "AWS", "--password-stdin", registry]),
        ("tag the image", ["tag", image.name, uri]),
        ("push the image", ["push", *docker_format, uri]),
    ):
        steps.append(Step(purpose, "local", argv[0], {"argv": [image.tool, *argv]}))
    return tuple(steps)


def repository_settings(name: str) -> dict[str, Any]:
    """Parameters of ``create_repository``: a tag keeps its image, and images are scanned for vulnerabilities."""
    return {
        "repositoryName": name,
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": True},
    }


def password(token: dict[str, Any]) -> bytes:
    """The registry's password in the response of ``get_authorization_token``."""
    decoded = base64.b64decode(token["authorizationData"][0]["authorizationToken"])
    return decoded.partition(b":")[2]


def check_ecr_image(aws: Aws, image: EcrImage, instance_type: str) -> None:
    """Check that an image in ECR can be deployed on this instance type.

    :raises UnusableImage: if it is missing, in another region, an index of several images, or of another architecture.
    """
    if image.region != aws.region:
        raise UnusableImage(
            f"the image {image.uri} is in {image.region}, and the endpoint in {aws.region}: SageMaker pulls from its "
            "own region; push it there, or give --region"
        )
    found = aws.find(
        "ecr",
        "batch_get_image",
        registryId=image.account,
        repositoryName=image.repository,
        imageIds=[dict(image.id)],
        acceptedMediaTypes=[*_MANIFESTS, *_INDEXES],
    )
    if not found or not found["images"]:
        raise UnusableImage(f"the image {image.uri} does not exist: leave out --image to push one")
    manifest = json.loads(found["images"][0]["imageManifest"])
    if manifest.get("mediaType", found["images"][0].get("imageManifestMediaType")) in _INDEXES:
        raise UnusableImage(
            f"{image.uri} is an index of several images, which SageMaker refuses: build one image with "
            f"`docker build --provenance=false --platform linux/{instances.architecture(instance_type)}`"
        )
    built_for = _architecture(aws, image, manifest)
    needed = instances.architecture(instance_type)
    if built_for not in (None, needed):
        raise UnusableImage(
            f"the image {image.uri} is for {built_for}, and {instance_type} runs {needed}: build it with "
            f"--platform linux/{needed}, or choose another --instance-type"
        )


def _architecture(aws: Aws, image: EcrImage, manifest: dict[str, Any]) -> str | None:
    """The architecture in the image's configuration; None if it cannot be read."""
    import httpx  # 0.1 s, which other commands need not wait for

    try:
        link = aws.call(
            "ecr",
            "get_download_url_for_layer",
            registryId=image.account,
            repositoryName=image.repository,
            layerDigest=manifest["config"]["digest"],
        )
        with httpx.stream("GET", link["downloadUrl"], timeout=10, follow_redirects=True) as response:
            response.raise_for_status()
            config = b""
            for part in response.iter_bytes():
                config += part
                if len(config) > _MAX_CONFIG_BYTES:
                    return None
        found = json.loads(config).get("architecture")
    except (AwsError, KeyError, ValueError, httpx.HTTPError):
        return None
    return found if isinstance(found, str) else None


def _inspect(tool: str, name: str) -> LocalImage | None:
    kind, fields = ["image", "inspect"], "{{.Id}} {{.Architecture}}"
    if tool == "buildah":
        kind, fields = ["inspect", "--type", "image"], "{{.FromImageID}} {{.OCIv1.Architecture}}"
    found = subprocess.run([tool, *kind, "--format", fields, name], capture_output=True, text=True, check=False)
    parts = found.stdout.split()
    if found.returncode or len(parts) != 2:
        return None
    return LocalImage(tool, name, parts[0].removeprefix("sha256:"), parts[1])
