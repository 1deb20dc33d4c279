"""Steps of a plan, and the state of the account that a plan depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Step:
    """One call.

    :ivar service: boto3's name of the service, or ``local`` for a command on this machine, with ``argv``.
    :ivar operation: the method of the service's client.
    :ivar waits: the state to wait for, by repeating the call.
    """

    purpose: str
    service: str
    operation: str
    parameters: Mapping[str, Any]
    waits: Literal["InService", "Deleted"] | None = None

    def as_json(self) -> dict[str, Any]:
        """The step as ``--dry-run`` prints it."""
        waits = {"repeated_until": self.waits} if self.waits else {}
        call = {"service": self.service, "operation": self.operation, "parameters": dict(self.parameters)}
        return {"purpose": self.purpose, **call, **waits}


@dataclass(frozen=True)
class Present:
    """State of the account that a plan depends on.

    :ivar push: steps that put the image into ECR.
    :ivar names: existing models, endpoint configurations and inference components.
    :ivar config: configuration of the endpoint; None: the endpoint does not exist.
    :ivar instance_type: its instance type.
    :ivar scaling: resource whose number of instances or copies follows the load already.
    """

    image: str
    role_arn: str
    push: tuple[Step, ...] = ()
    names: frozenset[str] = frozenset()
    config: str | None = None
    instance_type: str | None = None
    scaling: str | None = None
