"""Every entry of the tables is held against the real interpreter and CPython, so an upgrade that changes it is seen."""

import ast
import sys

import pytest

from adapters.monty import modules, table
from adapters.monty.decline import Decline
from adapters.monty.source import prepare

AGREES = {
    **{f"builtin {name}": probe for name, probe in table.BUILTINS.items()},
    **{f"exception {name}": probe for name, probe in table.EXCEPTIONS.items()},
    **{f"method {name}": probe for name, probe in table.METHODS.items()},
    **{f"attribute {name}": probe for name, probe in table.DATA_ATTRIBUTES.items()},
    **{f"syntax {name}": probe for name, probe in table.SYNTAX.items()},
    **{f"{module}.{name}": probe for module, names in modules.MODULES.items() for name, probe in names.items()},
    **{".".join(key): probe for key, probe in modules.CLASS_METHODS.items()},
}
DIFFERS = {name: probe for name, (_, probe) in table.DIFFERS.items()} | dict(modules.DIFFERENT_MEMBERS)


@pytest.mark.parametrize("probe", AGREES.values(), ids=AGREES.keys())
def test_agrees(both, probe) -> None:
    """Value, output and exception are CPython's."""
    assert both.in_monty(probe) == both.in_cpython(probe)


@pytest.mark.parametrize(("name", "probe"), AGREES.items(), ids=AGREES.keys())
def test_is_accepted(name, probe) -> None:
    """The walk lets through what the table says is there; from Python 3.12 on that adds floats in its own way."""
    declined = prepare(probe, frozenset(), None)
    if name == "builtin sum" and sys.version_info >= (3, 12):
        assert isinstance(declined, Decline)
    else:
        assert not isinstance(declined, Decline), declined.refusal()


@pytest.mark.parametrize("probe", DIFFERS.values(), ids=DIFFERS.keys())
def test_differs(both, probe) -> None:
    """It does differ still; where an upgrade has mended it, the entry can go."""
    assert both.in_monty(probe) != both.in_cpython(probe)


@pytest.mark.parametrize("probe", DIFFERS.values(), ids=DIFFERS.keys())
def test_is_declined(probe) -> None:
    """What differs is declined, with a reason and a remedy."""
    declined = prepare(probe, frozenset(), None)
    assert isinstance(declined, Decline)
    assert declined.refusal().reason
    assert declined.refusal().remedy


def test_probes_use_what_they_prove() -> None:
    """A probe names the method, attribute or builtin, or holds the syntax, that it stands for."""
    for name, probe in table.BUILTINS.items():
        assert any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(ast.parse(probe))), name
    for name, probe in {**table.METHODS, **table.DATA_ATTRIBUTES}.items():
        assert any(isinstance(node, ast.Attribute) and node.attr == name for node in ast.walk(ast.parse(probe))), name
    for name, probe in table.SYNTAX.items():
        assert any(type(node).__name__ == name for node in ast.walk(ast.parse(probe))), name
