"""docs/adapters.md shows the test plugin as it is."""

import re
from pathlib import Path

import pytest

from host.interface import Adapter

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
_PLUGIN = _ROOT / "tests" / "data" / "understudy-echo"
_BLOCKS = re.findall(r"```(?:python|toml)\n(.*?)```", _PAGE, flags=re.DOTALL)
_SOURCES = [path.read_text(encoding="utf-8") for path in _PLUGIN.rglob("*") if path.suffix in (".py", ".toml")]


@pytest.mark.parametrize("block", _BLOCKS, ids=range(len(_BLOCKS)))
def test_its_code_is_the_plugins(block: str) -> None:
    """Every block of code stands in the plugin, word for word."""
    assert any(block.strip() in source for source in _SOURCES)


def test_it_names_every_method_of_the_contract() -> None:
    """The table has a row for each method of an adapter."""
    methods = {name for name in vars(Adapter) if not name.startswith("_") and callable(getattr(Adapter, name))}
    assert methods == set(re.findall(r"^\| `(\w+)\(", _PAGE, flags=re.MULTILINE))
