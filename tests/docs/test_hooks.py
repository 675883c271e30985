"""docs/hooks.md says of every hook what the code says."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest

from host import hookspecs

_PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
_HOOKS = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if hasattr(function, "understudy_spec")
}
_RULES = ("Isolated", "Fails closed", "Observer")


def _sections() -> dict[str, str]:
    parts = re.split(r"^## (\w+)$", _PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_hook_has_a_heading() -> None:
    """The headings are the hooks, in the order of the code."""
    assert len(_HOOKS) > 10
    ordered = sorted(_HOOKS, key=lambda name: _HOOKS[name].__code__.co_firstlineno)
    assert list(_sections()) == ordered


@pytest.mark.parametrize("name", sorted(_HOOKS))
def test_its_failure_rule_is_the_codes(name: str) -> None:
    """Page and docstring give the same failure rule."""
    docstring = inspect.getdoc(_HOOKS[name]) or ""
    (rule,) = (rule for rule in _RULES if re.search(rf"\b{rule}\b", docstring))
    assert re.match(rf"\s*{rule}[.:]", _sections()[name])


@pytest.mark.parametrize("name", sorted(_HOOKS))
def test_its_example_is_the_codes(name: str) -> None:
    """Page and docstring give the same example, and it takes only arguments that the hook has."""
    (example,) = re.findall(r"```python\n(.*?)```", _sections()[name], flags=re.DOTALL)
    docstring = inspect.getdoc(_HOOKS[name]) or ""
    (shown,) = re.findall(r"Example::\n\n(.*)\Z", docstring, flags=re.DOTALL)
    assert _without_texts(example) == _without_texts(textwrap.dedent(shown))
    (function,) = ast.parse(example).body
    assert function.name == name
    assert {argument.arg for argument in function.args.args} <= set(inspect.signature(_HOOKS[name]).parameters)


def _without_texts(code: str) -> str:
    """The code's shape, whatever its sentences say."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            node.value = "a sentence"
    return ast.dump(tree)
