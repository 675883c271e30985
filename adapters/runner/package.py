"""Which of our files go to where a runner runs."""

from collections.abc import Mapping
from pathlib import Path

from adapters.guest import workfolder
from adapters.guest.contract import Guest, Runtime
from adapters.runner.inside import __file__ as _inside
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["MAIN", "guest_files", "runner_files"]

MAIN = "/guest/runner/main.py"
"""The runner: what an interpreter is started with."""

_OURS = ("/guest/", "/runtime/", "/program.sh")
_FILES = ("attend", "child", "folders", "kernel", "main", "quota", "runner", "steps", "stream", "tree")


def runner_files() -> Mapping[Path, str]:
    """The runner's own files: path here to path over there."""
    files = {Path(_inside).parent / f"{name}.py": f"/guest/runner/{name}.py" for name in _FILES}
    return {**files, Path(workfolder.__file__): "/guest/runner/workfolder.py"}


def guest_files(guest: Guest, runtime: Runtime, environment: str) -> Mapping[Path, str]:
    """What a language's guest brings beside its runtime: its own files, and the packages of its guest environment."""
    policy = Policy(name="package", guest_environment=environment, allowed_imports=None)
    launch = guest.launch(ExecutionRequest(code="", language=guest.language), policy, runtime)
    own = {path: place for path, place in runtime.trees.items() if place.startswith(_OURS)}
    return {**own, **launch.trees}
