"""The deployment packages: the same each time, readable to Lambda's user, with nothing that does not belong in them."""

import dataclasses
import io
import platform
import sys
import zipfile
from pathlib import Path

import pytest

from adapters.aws_lambda import fits
from adapters.aws_lambda.functions import Function, described
from adapters.aws_lambda.package import MOST_ZIPPED_BYTES, Package
from tests.adapters.aws_lambda.packages import found, zipped

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def _entries(content: bytes) -> list[zipfile.ZipInfo]:
    return zipfile.ZipFile(io.BytesIO(content)).infolist()


def test_it_is_the_same_each_time(found_here) -> None:
    """The same files make the same bytes: sorted, with one date, also what is compiled."""
    package = found("python", found_here)
    first, second = package.zipped(_PYTHON), package.zipped(_PYTHON)
    assert first == second
    names = [each.filename for each in _entries(first)]
    assert names == sorted(names)
    assert {each.date_time for each in _entries(first)} == {(1980, 1, 1, 0, 0, 0)}


def test_everybody_may_read_it(found_here) -> None:
    """Lambda's user owns nothing of the package, so every file is readable to all, and programs can be run by all."""
    for language in ("python", "bash"):
        assert {each.external_attr >> 16 & 0o777 for each in _entries(zipped(language, found_here))} <= {0o644, 0o755}


def test_what_is_in_it(found_here) -> None:
    """Handler, runner and guest are in it; compiled where the runtime is this Python, and nothing of the host."""
    names = {each.filename for each in _entries(zipped("python", found_here))}
    assert {"handler.py", "guest/runner/main.py", "guest/python/main.py"} <= names
    assert f"guest/runner/__pycache__/main.cpython-{_PYTHON.replace('.', '')}.pyc" in names
    assert not [name for name in names if "host" in name or "adapters" in name]
    other = {each.filename for each in _entries(found("python", found_here).zipped("3.99"))}
    assert not [name for name in other if name.endswith(".pyc")]
    bash = {each.filename for each in _entries(zipped("bash", found_here))}
    assert {"guest/program.sh", "runtime/bash/guest.bash"} <= bash


def test_what_javascript_brings(found_here) -> None:
    """Deno goes along, and the package still fits a call."""
    package = found("javascript", found_here)
    if package is None:
        pytest.skip("there is no deno on this machine")
    assert package.versions["deno"]
    assert "runtime/javascript/guest.mjs" in package.files
    assert not [name for name in package.files if name.startswith("runtime/javascript/") and name.endswith(".py")]
    assert len(zipped("javascript", found_here)) < MOST_ZIPPED_BYTES


def test_the_fingerprint(found_here, tmp_path) -> None:
    """It changes with our files, with the language and with the versions of what is not ours."""
    package = found("python", found_here)
    assert package.fingerprint == dataclasses.replace(package).fingerprint
    changed = tmp_path / "handler.py"
    changed.write_text("other")
    others = [
        dataclasses.replace(package, files={**package.files, "handler.py": changed}),
        dataclasses.replace(package, language="sql"),
        dataclasses.replace(package, versions={"environment": "data"}),
    ]
    assert len({each.fingerprint for each in [package, *others]}) == 4


def test_a_function_says_what_it_has() -> None:
    """Package and guest environment are read out of a function's description; one of somebody else has neither."""
    said = {"FunctionName": "f", "Description": described("python", "0123456789abcdef", "data")}
    function = Function.read("python", said)
    assert (function.package, function.environment) == ("0123456789abcdef", "data")
    assert len(described("typescript", "0" * 16, "e" * 64)) <= 256
    theirs = Function.read("python", {"FunctionName": "f", "State": "Failed", "StateReason": "broken"})
    assert (theirs.package, theirs.trouble) == ("", "Failed: broken")


def _with(name: str, content: bytes, folder: Path) -> Package:
    (folder / "binary").write_bytes(content)
    return Package("x", {"environment": "base", "thing": "1.0"}, {name: folder / "binary"})


def test_what_fits_where(tmp_path, monkeypatch) -> None:
    """What is compiled runs only on its processor, its Python and a C library that is new enough."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    plain = Package("python", {"environment": "base"}, {})
    assert fits.misfit(plain, "python3.9", "arm64") is None
    deno = _with("runtime/deno", b"\0GLIBC_2.9\0GLIBC_2.27\0", tmp_path)
    assert fits.misfit(deno, "python3.13", "x86_64") is None
    assert "glibc 2.27" in fits.misfit(deno, "python3.11", "x86_64").reason
    assert "for arm64" in fits.misfit(deno, "python3.13", "arm64").reason
    library = _with("guest/site/_x.cpython-1-x86_64-linux-gnu.so", b"\0GLIBC_2.2\0", tmp_path)
    assert fits.misfit(library, f"python{_PYTHON}", "x86_64") is None
    other = next(name for name in fits.RUNTIMES if name != f"python{_PYTHON}")
    assert f"for Python {_PYTHON}" in fits.misfit(library, other, "x86_64").reason


def test_the_usual_runtime(monkeypatch) -> None:
    """It is this Python's own where Lambda has that one on a current system, and else a current one."""
    monkeypatch.setattr(fits.sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(fits, "_own", lambda: "3.12")
    assert fits.usual_runtime() == "python3.12"
    monkeypatch.setattr(fits.sys, "version_info", (3, 11, 1))
    assert fits.usual_runtime() == "python3.13"


@pytest.mark.parametrize("name", ["handler", "emptied", "neighbours", "domain"])
def test_the_files_inside_are_alone(found_here, name) -> None:
    """What goes into a function imports the standard library and its own folder, and nothing that stays here."""
    source = found("python", found_here).files[f"{name}.py"].read_text(encoding="utf-8")
    words = [line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert set(words) <= {*sys.stdlib_module_names, "__future__"}
