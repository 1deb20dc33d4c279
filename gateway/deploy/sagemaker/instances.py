"""Instance types of SageMaker endpoints: GPU memory, price class, processor architecture and AMI."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.errors import InvalidRequest

CUDA = (13, 0)
"""CUDA version of the PyTorch wheels that the image installs."""

# The newest CUDA version that the driver of an AMI runs, by the names that InferenceAmiVersion accepts.
_AMIS = {
    (12, 2): "al2-ami-sagemaker-inference-gpu-2-1",
    (12, 4): "al2-ami-sagemaker-inference-gpu-3-1",
    (13, 0): "al2023-ami-sagemaker-inference-gpu-4-1",
}
_FAMILY = re.compile(r"ml\.(?P<family>[a-z]+\d+[a-z-]*\w*)\.(?P<size>\w+)")
_ARM = re.compile(r"[a-z]\d+g[a-z]*")  # c7g, m8g, r6gd; not g5
_GPU = re.compile(r"(g|p)\d.*")


@dataclass(frozen=True)
class InstanceType:
    """An instance type that is known to fit.

    :ivar price: class of its price per hour on demand: $ below 0.5, $$ below 1.5, $$$ below 10, $$$$ above (US dollars,
        us-east-1, rounded; the price list of AWS is authoritative).
    """

    name: str
    gpus: int
    gpu: str
    gpu_memory_gib: int
    price: str


KNOWN = tuple(
    InstanceType(*row)
    for row in (
        ("ml.c6i.large", 0, "", 0, "$"),
        ("ml.c6i.xlarge", 0, "", 0, "$"),
        ("ml.c7g.xlarge", 0, "", 0, "$"),
        ("ml.c6i.4xlarge", 0, "", 0, "$$"),
        ("ml.g4dn.xlarge", 1, "T4", 16, "$$"),
        ("ml.g4dn.2xlarge", 1, "T4", 16, "$$"),
        ("ml.g6.xlarge", 1, "L4", 24, "$$"),
        ("ml.g5.xlarge", 1, "A10G", 24, "$$"),
        ("ml.g6.2xlarge", 1, "L4", 24, "$$"),
        ("ml.g5.2xlarge", 1, "A10G", 24, "$$$"),
        ("ml.g6e.xlarge", 1, "L40S", 48, "$$$"),
        ("ml.g6e.2xlarge", 1, "L40S", 48, "$$$"),
        ("ml.g5.12xlarge", 4, "A10G", 24, "$$$"),
        ("ml.p5.4xlarge", 1, "H100", 80, "$$$"),
        ("ml.p4d.24xlarge", 8, "A100", 40, "$$$$"),
        ("ml.p5.48xlarge", 8, "H100", 80, "$$$$"),
    )
)


def has_gpu(instance_type: str) -> bool:
    """Whether instances of this type have an NVIDIA GPU.

    :raises InvalidRequest: if it is not the name of an instance type.
    """
    return _GPU.fullmatch(_family(instance_type)) is not None


def gpus(instance_type: str) -> int:
    """Number of GPUs; 1 for a GPU type that is not in the table."""
    return next((known.gpus for known in KNOWN if known.name == instance_type), int(has_gpu(instance_type)))


def architecture(instance_type: str) -> str:
    """Architecture of the images that it runs, in the words of OCI."""
    return "arm64" if _ARM.fullmatch(_family(instance_type)) else "amd64"


def ami(instance_type: str) -> str | None:
    """The AMI whose driver runs :data:`CUDA`; None for an instance without a GPU.

    SageMaker's default has an older driver, with which PyTorch would not find the GPU.
    """
    return _AMIS[CUDA] if has_gpu(instance_type) else None


def _family(instance_type: str) -> str:
    match = _FAMILY.fullmatch(instance_type)
    if match is None:
        raise InvalidRequest(
            f"invalid instance type {instance_type!r}: must be a name such as ml.g5.xlarge; --list-types lists some",
            param="--instance-type",
        )
    return match["family"]
