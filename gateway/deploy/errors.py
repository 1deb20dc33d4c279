"""Errors of commands that use Amazon's services. They reach the command line only, so they have no HTTP status.

AwsError
├── MissingLibrary      boto3 is not installed
├── InvalidCredentials  no credentials, or AWS does not accept them
├── MissingRights       the identity may not make a call
├── NotFound            the object of a call does not exist
├── QuotaExceeded       a quota of the account
├── Unavailable         the service or the instance type does not exist in the region, or cannot be reached now
├── UnusableRole        the execution role is missing, or lacks trust or rights
├── UnusableImage       missing, of another architecture, or in a format that SageMaker refuses
├── WrongState          the endpoint exists already, does not exist, or is being changed
└── EndpointFailed      the container did not become ready, an update was rolled back, or an invocation failed
"""

from __future__ import annotations


class AwsError(Exception):
    """Root of the tree; the message has the cause and the fix."""


class MissingLibrary(AwsError):
    """boto3 is not installed."""


class InvalidCredentials(AwsError):
    """Credentials are missing, or AWS does not accept them."""


class MissingRights(AwsError):
    """The identity may not make a call."""


class NotFound(AwsError):
    """The object of a call does not exist."""


class QuotaExceeded(AwsError):
    """A quota of the account does not allow the call."""


class Unavailable(AwsError):
    """The service or the instance type does not exist in the region, or cannot be reached now."""


class UnusableRole(AwsError):
    """The execution role does not exist, or lacks trust or rights."""


class UnusableImage(AwsError):
    """The image is missing, of another architecture, or in a format that SageMaker refuses."""


class WrongState(AwsError):
    """The endpoint exists already, does not exist, or is being changed."""


class EndpointFailed(AwsError):
    """The container did not become ready, an update was rolled back, or an invocation failed."""
