from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway import errors
from gateway.api.errors import STATUS
from gateway.errors import GatewayError


def tree(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_every_error_has_a_status() -> None:
    assert set(tree(GatewayError)) == set(STATUS)


def test_types_are_unique_names() -> None:
    types = [kind.type for kind in tree(GatewayError)]
    assert len(set(types)) == len(types)
    assert all(name == name.lower() and name.replace("_", "").isalpha() for name in types)


@pytest.mark.parametrize("kind", list(tree(GatewayError)))
def test_the_tree_drawn_at_the_top_shows_it(kind: type[GatewayError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__
