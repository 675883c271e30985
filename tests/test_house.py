"""The house rules that tools alone would not notice."""

import tomllib
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
NOT_SHIPPED = {"benchmarks"}
"""Packages that serve development only; they may import everything."""


def _shipped():
    """Every module of the packages that users get."""
    roots = PROJECT["tool"]["importlinter"]["root_packages"]
    return [path for root in roots for path in (HOUSE / root).rglob("*.py")]


def test_every_package_is_in_the_import_contract():
    """Each package on disk stands in the layers of the import contract and in the wheel: none escapes the arrow."""
    on_disk = {path.parent.name for path in HOUSE.glob("*/__init__.py")} - NOT_SHIPPED
    linter = PROJECT["tool"]["importlinter"]
    layered = {name for layer in linter["contracts"][0]["layers"] for name in layer.split(" | ")}
    shipped = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert on_disk == layered == shipped == set(linter["root_packages"])


def test_no_package_below_tests():
    """There is no __init__.py in tests/: with one, `import host` would load a test folder."""
    assert [str(path) for path in (HOUSE / "tests").rglob("__init__.py") if "data" not in path.parts] == []


def test_no_file_is_too_long():
    """No file of ours is over 500 lines."""
    roots = [*PROJECT["tool"]["importlinter"]["root_packages"], "tests", "benchmarks"]
    long = {
        str(path.relative_to(HOUSE)): lines
        for root in roots
        for path in (HOUSE / root).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}


def test_events_go_through_our_loggers():
    """Nobody asks structlog for a logger but ``host.events``: a caller's stdout stays its own."""
    ours = {"host/events.py", "host/logs.py"}
    found = {str(path.relative_to(HOUSE)) for path in _shipped() if "structlog" in path.read_text(encoding="utf-8")}
    assert found - ours == set()


def test_only_the_settings_read_the_environment():
    """The process's environment is read by the settings alone; what runs inside a wall has its own."""
    allowed = {"host/settings.py", "host/layers.py"}
    elsewhere = ("host/testing/", "adapters/guest/")  # the test suite; inside the wall
    found = {
        str(path.relative_to(HOUSE))
        for path in _shipped()
        if not str(path.relative_to(HOUSE)).startswith(elsewhere)
        and path.parent.name != "inside"
        and any(word in path.read_text(encoding="utf-8") for word in ("os.environ", "os.getenv"))
    }
    assert found - allowed == set()
