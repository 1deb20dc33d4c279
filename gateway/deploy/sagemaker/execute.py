"""Execution of a plan: calls, commands, waiting with progress, and the first request."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gateway.deploy.aws import Aws
from gateway.deploy.errors import AwsError, EndpointFailed, UnusableImage
from gateway.deploy.sagemaker.images import password
from gateway.deploy.sagemaker.logs import explanation
from gateway.deploy.sagemaker.steps import Step

MAX_WAIT_S = 4 * 3600.0
_IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


class Executor:
    """Execute steps in order.

    :param report: called with each step and each change of a status.
    :param output: file for the first response.
    :param poll_s: time between two calls while waiting.
    """

    def __init__(self, aws: Aws, report: Callable[[str], None], output: Path, poll_s: float = 10.0):
        self._aws = aws
        self._report = report
        self._output = output
        self._poll_s = poll_s
        self._password = b""
        self._expected_config: str | None = None

    def run(self, steps: Iterable[Step]) -> None:
        """Execute the steps.

        :raises AwsError: of the first step that fails; the steps before it stay done, and repeating the command goes on
            from there.
        """
        for step in steps:
            self._report(step.purpose)
            if step.service == "local":
                self._command(step.parameters["argv"])
            elif step.waits:
                self._wait(step)
            elif step.operation == "invoke_endpoint":
                self._save(self._aws.call(step.service, step.operation, **step.parameters)["Body"].read())
            elif step.operation == "invoke_endpoint_async":
                self._save(self._response_of(self._invoke_async(step)))
            else:
                answer = self._aws.call(step.service, step.operation, **step.parameters)
                if step.operation == "get_authorization_token":
                    self._password = password(answer)
                if step.operation in ("create_endpoint", "update_endpoint"):
                    self._expected_config = step.parameters["EndpointConfigName"]

    def _command(self, argv: list[str]) -> None:
        standard_input = self._password if "--password-stdin" in argv else None
        done = subprocess.run(argv, input=standard_input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise UnusableImage(f"{' '.join(argv)} failed: {done.stdout.decode(errors='replace').strip()[-2000:]}")

    def _wait(self, step: Step) -> None:
        """Repeat the call until the status is final.

        :raises EndpointFailed: with SageMaker's reason and the container's last log lines.
        """
        is_component = "InferenceComponentName" in step.parameters
        key = "InferenceComponentStatus" if is_component else "EndpointStatus"
        deadline, shown = time.monotonic() + MAX_WAIT_S, ""
        while True:
            found = self._aws.find(step.service, step.operation, **step.parameters)
            if found is None and step.waits == "Deleted":
                return
            status = found[key] if found else "missing"
            if status != shown:
                self._report(f"{step.purpose}: {status}")
                shown = status
            if found is not None and status == step.waits:
                self._check_configuration(found)
                return
            if status not in _IN_PROGRESS:
                raise EndpointFailed(explanation(self._aws, dict(step.parameters), status, found or {}))
            if time.monotonic() > deadline:
                raise EndpointFailed(f"the status is still {status} after {MAX_WAIT_S / 3600:g} hours")
            time.sleep(self._poll_s)

    def _check_configuration(self, found: dict[str, Any]) -> None:
        """An update that was rolled back ends InService too, with the former configuration."""
        current = found.get("EndpointConfigName")
        if self._expected_config and current and current != self._expected_config:
            parameters = {"EndpointName": found["EndpointName"]}
            raise EndpointFailed(explanation(self._aws, parameters, "InService with the former configuration", found))

    def _invoke_async(self, step: Step) -> str:
        """Send the first request; return the S3 address of its response."""
        call = {"InferenceId": uuid.uuid4().hex, **step.parameters}
        return str(self._aws.call(step.service, step.operation, **call)["OutputLocation"])

    def _response_of(self, location: str) -> bytes:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        for _ in range(max(1, int(600 / max(self._poll_s, 1)))):
            if (found := self._aws.find("s3", "get_object", Bucket=bucket, Key=key)) is not None:
                data: bytes = found["Body"].read()
                return data
            time.sleep(self._poll_s)
        raise EndpointFailed(f"no response at {location} after 10 minutes: see failures/ beside it")

    def _save(self, data: bytes) -> None:
        if data[:4] != b"RIFF":
            raise EndpointFailed(f"the endpoint answered {data[:200]!r}, which is not a WAV file")
        try:
            self._output.write_bytes(data)
        except OSError as error:
            raise AwsError(f"cannot write {self._output}: {error.strerror}; the endpoint is in service") from None
        self._report(f"{self._output}: {len(data):,} bytes of speech")
