"""Synthesize speech with an Amazon SageMaker endpoint, complete and streamed.

    python examples/sagemaker_invoke.py ENDPOINT TEXT

Needs boto3, a part of `make install`, with credentials that allow ``sagemaker:InvokeEndpoint`` and
``sagemaker:InvokeEndpointWithResponseStream``.
"""

import json
import sys

import boto3
from botocore.config import Config

# A request that timed out must not be repeated, and a long text takes longer than botocore's default timeout.
client = boto3.client("sagemaker-runtime", config=Config(read_timeout=70, retries={"max_attempts": 0}))


def speak(endpoint: str, text: str, path: str) -> None:
    """Fetch a complete file in the format of the Accept header."""
    try:
        answer = client.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="text/plain",
            Accept="audio/mpeg",
            CustomAttributes="speed=1.1;seed=7",
            Body=text,
        )
    except client.exceptions.ModelError as error:  # the container's status, and a message with the invalid field
        sys.exit(f"{error.response['OriginalStatusCode']}: {error.response['OriginalMessage']}")
    with open(path, "wb") as file:
        file.write(answer["Body"].read())


def stream(endpoint: str, text: str, path: str) -> None:
    """Fetch audio while it is being synthesized."""
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName=endpoint,
        ContentType="application/json",
        Accept="audio/pcm",
        Body=json.dumps({"text": text, "stream": True}),
    )
    print(answer["ContentType"])
    with open(path, "wb") as file:
        for event in answer["Body"]:
            file.write(event["PayloadPart"]["Bytes"])


if __name__ == "__main__":
    endpoint, text = sys.argv[1:]
    speak(endpoint, text, "whole.mp3")
    stream(endpoint, text, "streamed.pcm")
