"""``voxgate deploy``: run the gateway where containers run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID
from rich.table import Table

from gateway.cli.console import err, exit_on_error, fail, out, progress_bar
from gateway.deploy.aws import Aws
from gateway.deploy.errors import AwsError
from gateway.deploy.sagemaker.execute import Executor
from gateway.deploy.sagemaker.instances import KNOWN, architecture
from gateway.deploy.sagemaker.options import Deployment
from gateway.deploy.sagemaker.plan import deletion, plan
from gateway.deploy.sagemaker.steps import Step
from gateway.deploy.sagemaker.survey import existing, scaled_resources, survey, whoami
from gateway.deploy.sagemaker.templates.cloudformation import cloudformation
from gateway.deploy.sagemaker.templates.terraform import terraform
from gateway.errors import InvalidRequest

app = typer.Typer(help="Deploy the gateway.", no_args_is_help=True)

RegionOption = Annotated[str | None, typer.Option(help="AWS region; default: the profile's or AWS_DEFAULT_REGION.")]
ProfileOption = Annotated[str | None, typer.Option(help="Profile of ~/.aws/config; default: AWS_PROFILE.")]


class Template(StrEnum):
    """Tools that a deployment can be rendered for."""

    cloudformation = "cloudformation"
    terraform = "terraform"


_RENDER = {Template.cloudformation: cloudformation, Template.terraform: terraform}


@app.callback()
def _deploy() -> None:
    """Keep ``sagemaker`` a subcommand: typer would merge a single command into its parent."""


@app.command()
def sagemaker(
    name: Annotated[str, typer.Option(help="Name of the endpoint.")] = "voxgate",
    role: Annotated[str | None, typer.Option(help="Name or ARN of the execution role.")] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", "-e", help="Default engine, loaded at start; default: lite.")
    ] = None,
    instance_type: Annotated[
        str | None,
        typer.Option(
            help="Instance type; default: ml.c6i.xlarge for lite, otherwise ml.g4dn.xlarge. See --list-types."
        ),
    ] = None,
    image: Annotated[str | None, typer.Option(help="URI of an image that is in Amazon ECR; nothing is pushed.")] = None,
    local_image: Annotated[str, typer.Option(help="Image of docker, podman or buildah to push.")] = "voxgate-sagemaker",
    repository: Annotated[str, typer.Option(help="ECR repository to push to; created if missing.")] = (
        "voxgate-sagemaker"
    ),
    model_data: Annotated[
        str | None, typer.Option(help="s3:// prefix or .tar.gz with voxgate.yaml or checkpoints, for /opt/ml/model.")
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", help="Variable of the container as NAME=VALUE, e.g. HF_ENDPOINT=….")
    ] = None,
    instances: Annotated[int, typer.Option(help="Number of instances; with --max-instances, the least.")] = 1,
    max_instances: Annotated[
        int | None, typer.Option(help="Scale up to this number of instances with the load.")
    ] = None,
    concurrency: Annotated[
        int, typer.Option(help="Concurrent requests per instance to scale for; with --async, waiting ones.")
    ] = 4,
    async_output: Annotated[
        str | None, typer.Option("--async", help="s3:// prefix for responses: an endpoint for asynchronous inference.")
    ] = None,
    component: Annotated[
        bool, typer.Option("--inference-component", help="An inference component, which shares its instances.")
    ] = False,
    memory_mib: Annotated[int, typer.Option(help="Memory of a copy of the inference component.")] = 4096,
    ready_timeout: Annotated[
        int | None, typer.Option(help="Seconds until the container must be ready, 60 to 3600.")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Change an existing endpoint without downtime.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the endpoint and all that belongs to it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without a question.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print every call as JSON, and change nothing.")] = False,
    render: Annotated[Template | None, typer.Option(help="Print a template, without a call to AWS.")] = None,
    list_types: Annotated[bool, typer.Option("--list-types", help="Print a table of instance types.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the first speech; default: NAME.wav.")
    ] = None,
    region: RegionOption = None,
    profile: ProfileOption = None,
) -> None:
    """Create, update or delete an Amazon SageMaker endpoint, from an image on this machine or in Amazon ECR."""
    if list_types:
        out.print(_types())
        return
    if update and delete:
        raise fail("--update excludes --delete", 2)
    with exit_on_error(2):
        want = Deployment(
            name=name,
            role=role,
            image=image,
            local_image=local_image,
            repository=repository,
            engine=engine,
            model_data=model_data,
            environment=dict(_variable(item) for item in env or ()),
            instance_type=instance_type,
            instances=instances,
            max_instances=max_instances,
            concurrency=concurrency,
            async_output=async_output,
            component=component,
            memory_mib=memory_mib,
            ready_timeout_s=ready_timeout,
        )
        if render is not None:
            typer.echo(_RENDER[render](want), nl=False)
            return
    with exit_on_error(2), exit_on_aws_error(), Aws(region, profile) as aws:
        with _progress() as report:
            steps = _deletion(aws, name, report) if delete else plan(want, present := survey(aws, want, update, report))
        if dry_run:
            typer.echo(json.dumps([step.as_json() for step in steps], indent=2))
            return
        if delete and not _confirmed(steps, yes):
            return
        with _progress() as report:
            Executor(aws, report, output or Path(f"{name}.wav")).run(steps)
    if delete:
        err.print(f"kept: the ECR repository with its images, and the log group /aws/sagemaker/Endpoints/{name}")
    elif update and present.config:
        region_option = f"--region {aws.region}"
        err.print(
            f"the former configuration is kept; to return to it: aws sagemaker update-endpoint {region_option} "
            f"--endpoint-name {name} --endpoint-config-name {present.config}",
            soft_wrap=True,
        )


@contextmanager
def exit_on_aws_error() -> Iterator[None]:
    """Turn an :class:`AwsError` into a message and exit status 1."""
    try:
        yield
    except AwsError as error:
        raise fail(str(error)) from None


def _deletion(aws: Aws, name: str, report: Callable[[str], None]) -> list[Step]:
    whoami(aws, report)
    return deletion(name, existing(aws, name), scaled_resources(aws, name))


def _confirmed(steps: list[Step], yes: bool) -> bool:
    if not steps:
        err.print("there is nothing to delete")
        return False
    for step in steps:
        if not step.waits:
            err.print(f"  {step.purpose}: {', '.join(map(str, step.parameters.values()))}", soft_wrap=True)
    return yes or typer.confirm("Delete all of this?", err=True)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A function that prints a line and shows it in a progress bar with the elapsed time until the next one."""
    with progress_bar() as bar:
        tasks: list[TaskID] = []

        def report(line: str) -> None:
            for task in tasks:
                bar.remove_task(task)
            tasks[:] = [bar.add_task(line, total=None)]
            bar.console.print(line, soft_wrap=True)

        yield report


def _types() -> Table:
    table = Table("instance type", "GPUs", "GPU memory", "image", "price")
    for known in KNOWN:
        gpus = f"{known.gpus} {known.gpu}" if known.gpus else "none"
        memory = f"{known.gpu_memory_gib} GiB each" if known.gpus else ""
        table.add_row(known.name, gpus, memory, architecture(known.name), known.price)
    table.caption = "Price per hour on demand, in US dollars: $ below 0.5, $$ below 1.5, $$$ below 10, $$$$ above."
    return table


def _variable(item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not (key and equals):
        raise InvalidRequest(f"invalid variable {item!r}: must be NAME=VALUE", param="--env")
    return key, value
