"""Typed options: parsing, error paths and JSON schema."""

from __future__ import annotations

from typing import Annotated

import jsonschema
import pytest
from msgspec import Meta

from backends.errors import InvalidJob, LoadError
from backends.options import Options, json_schema, parse_config, parse_job_options


class Nested(Options, frozen=True):
    depth: int = 1


class Sample(Options, frozen=True):
    nfe: Annotated[int, Meta(ge=1, le=64)] = 16
    sway: float = -1.0
    mode: str = "a"
    inner: Nested = Nested()


def test_request_options_override_configured_and_built_in_defaults() -> None:
    assert parse_job_options(Sample, {"nfe": 7, "mode": "b"}, {"nfe": 32}) == Sample(nfe=32, mode="b")


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"nfe": 0}, "options.nfe"),
        ({"nfe": "7"}, "options.nfe"),
        ({"nfe": True}, "options.nfe"),
        ({"steps": 7}, "options.steps"),
        ({"inner": {"dept": 2}}, "options.inner.dept"),
        ({"inner": {"depth": "x"}}, "options.inner.depth"),
    ],
)
def test_invalid_option_is_named(options: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        parse_job_options(Sample, {}, options)
    assert caught.value.param == param


def test_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(InvalidJob, match="inner, mode, nfe, sway"):
        parse_job_options(Sample, {}, {"steps": 7})


def test_invalid_configuration_key_is_named_with_its_path() -> None:
    with pytest.raises(LoadError, match=r"engines\.f5\.model\.nef: unknown key"):
        parse_config(Sample, {"nef": 1}, "engines.f5.model")


def test_schema_and_parser_accept_the_same_options() -> None:
    schema = json_schema(Sample)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for good in ({}, {"nfe": 1}, {"inner": {"depth": 3}}):
        assert validator.is_valid(good)
    for bad in ({"nfe": 0}, {"steps": 1}, {"inner": {"dept": 1}}, {"nfe": "7"}):
        assert not validator.is_valid(bad)
