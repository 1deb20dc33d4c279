"""Calls to Amazon's services through boto3, which is imported on first use; its errors become :class:`AwsError`."""

from __future__ import annotations

import json
import re
from typing import Any, Self

from gateway.deploy.errors import (
    AwsError,
    EndpointFailed,
    InvalidCredentials,
    MissingLibrary,
    MissingRights,
    NotFound,
    QuotaExceeded,
    Unavailable,
)
from gateway.errors import InvalidRequest

READ_TIMEOUT_S = 70  # SageMaker waits 60 s for a container

_NOT_FOUND = re.compile("Could not find|NotFound|NoSuchEntity|NoSuchKey")
_REJECTED = (
    *("AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId"),
    *("InvalidClientTokenId", "InvalidSignatureException", "RequestExpired", "SignatureDoesNotMatch"),
    *("TokenRefreshRequired", "UnrecognizedClientException"),
)
_DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "UnauthorizedException",
    "UnauthorizedOperation",
)
_QUOTA = (
    *("LimitExceeded", "LimitExceededException", "ResourceLimitExceeded", "ServiceQuotaExceededException"),
    *("ThrottlingException", "TooManyRequestsException"),
)
_BUSY = (
    *("InternalServerException", "ModelNotReadyException", "ModelTimeoutException", "ServiceUnavailable"),
    *("ServiceUnavailableException", "ModelStreamErrorException"),
)
_NO_CREDENTIALS = """\
There are no AWS credentials. Provide them in one of these ways, then check with `aws sts get-caller-identity`:
  aws configure sso, or aws sso login --profile NAME; then --profile NAME
  AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN for temporary keys
  a role of the machine (EC2 instance profile, ECS task role)"""
_REJECTED_CAUSES = """\
Likely causes, and what to do:
  - Temporary credentials have expired: aws sso login, or request new ones.
  - The access key is temporary (it begins with ASIA) and AWS_SESSION_TOKEN is missing, or from other credentials: set
    all three variables from the same source.
  - The access key was deactivated or deleted, or was copied with an error: create another one in IAM.
  - AWS_ACCESS_KEY_ID in the environment takes precedence over the profile you mean: `aws configure list` shows the
    source of each value; unset the variables or give --profile.
  - The region is of another partition or is not enabled: keys of aws, aws-cn and aws-us-gov are not valid in each
    other's regions, and opt-in regions have to be enabled for the account. Give another --region.
  - The clock of this machine is wrong by more than five minutes: set it.
Check with `aws sts get-caller-identity`."""


class Aws:
    """Clients of one region, made when they are used. Close it by using it as a context manager.

    :param session: a boto3 session, for tests.
    """

    def __init__(self, region: str | None = None, profile: str | None = None, session: Any = None):
        try:
            import boto3.session
            import botocore.exceptions
        except ImportError:
            raise MissingLibrary("boto3 is not installed: pip install 'voxgate[aws]'") from None
        self._exceptions = botocore.exceptions
        self.errors = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
        self._clients: dict[str, Any] = {}
        try:
            self._session = session or boto3.session.Session(region_name=region, profile_name=profile)
            found = region or self._session.region_name
        except botocore.exceptions.BotoCoreError as error:
            raise self.translated(error, "read the configuration") from None
        if not found:
            raise InvalidRequest(
                "no region is configured: give --region, for instance eu-central-1, or set AWS_DEFAULT_REGION",
                param="--region",
            )
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d+", found):
            raise InvalidRequest(f"invalid region {found!r}: must be a name such as eu-central-1", param="--region")
        self.region: str = found

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn`` …"""
        return str(self._session.get_partition_for_region(self.region))

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make a call, e.g. ``call("sts", "get_caller_identity")``.

        :raises AwsError: of the class that fits the service's error code.
        """
        try:
            return dict(getattr(self._client(service), operation)(**parameters))
        except self.errors as error:
            raise self.translated(error, f"{service}:{_camel(operation)}") from None

    def find(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """As :meth:`call`; None if the object does not exist."""
        try:
            return self.call(service, operation, **parameters)
        except NotFound:
            return None

    def list(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """All items of a paginated call."""
        try:
            pages = self._client(service).get_paginator(operation).paginate(**parameters)
            return [item for page in pages for item in page[key]]
        except self.errors as error:
            raise self.translated(error, f"{service}:{_camel(operation)}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for client in self._clients.values():
            client.close()

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            from botocore.config import Config

            # A request that timed out must not be repeated: it would be spoken twice.
            config = Config(read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1})
            is_runtime = service in ("sagemaker-runtime", "bedrock-runtime")
            self._clients[service] = self._session.client(
                service, region_name=self.region, config=config if is_runtime else None
            )
        return self._clients[service]

    def translated(self, error: Exception, call: str) -> AwsError:
        """The typed error for an error of botocore, which a stream may raise later."""
        names = self._exceptions
        if isinstance(error, names.ClientError):
            return self._of_code(error, call)
        missing = (names.NoCredentialsError, names.PartialCredentialsError, names.CredentialRetrievalError)
        if isinstance(error, (*missing, names.NoAuthTokenError, names.TokenRetrievalError, names.SSOError)):
            return InvalidCredentials(f"{error}\n{_NO_CREDENTIALS}")
        if isinstance(error, names.ProfileNotFound):
            return InvalidCredentials(f"{error}: `aws configure list-profiles` lists the profiles")
        if isinstance(error, (names.ConnectionError, names.HTTPClientError, names.UnknownEndpointError)):
            return Unavailable(
                f"{call}: {error}: check the network, and that the service exists in the region {self.region} "
                f"(Amazon Bedrock does not in China)"
            )
        return AwsError(f"{call}: {error}")

    def _of_code(self, error: Any, call: str) -> AwsError:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        code = code[:1].upper() + code[1:]  # streams begin it with a small letter
        text = f"{call}: {code}: {message}"
        if code in ("ModelError", "ModelStreamError"):
            return EndpointFailed(_reason(error.response) or text)
        if code in _REJECTED:
            return InvalidCredentials(f"AWS does not accept the credentials ({code}): {message}\n{_REJECTED_CAUSES}")
        if code in _DENIED:
            action = _action(call)
            return MissingRights(
                f"{call} is not allowed: {message}\nAsk the account's administrator for the IAM action {action}."
            )
        if code in _QUOTA:
            return QuotaExceeded(
                f"{text}\nRequest an increase in the Service Quotas console, or choose another instance type, model or "
                "region; if the message speaks of a rate, wait a minute."
            )
        if code in _BUSY:
            return Unavailable(f"{text}\nRepeat the command.")
        return (NotFound if _NOT_FOUND.search(f"{code} {message}") else AwsError)(text)


def _reason(response: dict[str, Any]) -> str:
    """The gateway's message in a ``ModelError``; empty if the container did not answer as the gateway does."""
    try:
        error = json.loads(response["OriginalMessage"])["error"]
        field = f"{error['param']}: " if error.get("param") else ""
        return f"the endpoint answered {response['OriginalStatusCode']}: {field}{error['message']}"
    except (KeyError, TypeError, ValueError):
        return ""


def _action(call: str) -> str:
    """The IAM action that allows a call."""
    service, _, operation = call.partition(":")
    prefix = {"application-autoscaling": service, "service-quotas": "servicequotas"}.get(service)
    if operation == "ConverseStream":
        operation = "InvokeModelWithResponseStream"
    return f"{prefix or service.partition('-')[0]}:{operation}"


def _camel(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))
