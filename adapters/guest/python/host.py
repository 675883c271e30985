"""The host side of the Python guest."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adapters.guest.contract import Launch, Missing, Runtime
from adapters.guest.environments import SITE, Environment, Environments
from adapters.guest.linked import libraries
from adapters.guest.protocol import VERSION, pack
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["PRELOAD", "PYTHON_FILES", "PythonGuest", "find_python", "request_frame"]

_HERE = Path(__file__).resolve().parent
_HOST = _HERE.parents[2] / "host"
_OWN = (
    "__init__",
    "ahead",
    "assignments",
    "channels",
    "charts",
    "dataframes",
    "displays",
    "figures",
    "forked",
    "imports",
    "main",
    "outcome",
    "program",
    "scales",
    "sessions",
    "tracebacks",
)

PYTHON_FILES: Mapping[Path, str] = {
    **{_HERE / f"{name}.py": f"/guest/python/{name}.py" for name in _OWN},
    **{
        _HOST / f"{name}.py": f"/guest/python/{name}.py"
        for name in ("arrays", "decoding", "lazily", "shapes", "values")
    },
    _HERE.parent / "protocol.py": "/guest/python/protocol.py",
}
"""The files of the package ``python`` inside the wall; other guests in Python build on them."""

_ENVIRONMENT = {
    "MPLBACKEND": "module://python.figures",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "OPENBLAS_NUM_THREADS": "1",  # NumPy's would reserve memory for every core of the machine
}
BARE = ("python.main", "python.imports", "traceback")
"""What a process imports that clones itself for programs that import nothing: the guest, and what shows errors.

Most of what a clone costs is the memory and the shared objects of what it was cloned from.
"""

PRELOAD = (
    *BARE,
    "python.sessions",
    "collections",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "functools",
    "itertools",
    "json",
    "math",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "textwrap",
    "typing",
)
"""What a process imports that clones itself for all others: also what programs use most and is small.

asyncio is left out because it brings threads, sockets and OpenSSL.
"""

_PRELOAD_OF_SITE = {"numpy": ("numpy", "python.arrays"), "pandas": ("pandas",)}
_SPARE_MEMORY_MB = 16  # an interpreter with json, decimal and datetime, and the guest's reserve
_PROBE = """
import base64, datetime, decimal, json, os, sys, sysconfig, zoneinfo
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "stdlib": os.path.dirname(os.__file__),
    "dynload": [path for path in sys.path if path.endswith("lib-dynload")],
    "zones": list(zoneinfo.TZPATH),
}))
"""


class PythonGuest:
    """Python on the interpreter that the host runs on, without the host's packages.

    Args:
        environments: the guest environments of this host.
        program: another interpreter, 3.9 to 3.15; a launcher then has to start it, instead of forking.
    """

    language = "python"

    def __init__(self, environments: Environments, program: Path | None = None) -> None:
        self._environments = environments
        self._program = program
        self._launches: dict[tuple[object, ...], Launch] = {}

    def find(self) -> Runtime | Missing:
        return find_python(self._program, self.language)

    def launch(self, request: ExecutionRequest, policy: Policy, runtime: Runtime) -> Launch:
        bare = "import" not in request.code and b'"$type"' not in request.inputs_wire
        return dataclasses.replace(self._launch(policy, runtime, "run", bare=bare), frame=self.frame(request, policy))

    def open(self, policy: Policy, runtime: Runtime) -> Launch:
        return self._launch(policy, runtime, "session", bare=False)

    def frame(self, request: ExecutionRequest, policy: Policy) -> bytes:
        environment = self._environments.get(policy.guest_environment)
        return request_frame(request, policy, environment={"name": environment.name, "remedy": environment.remedy})

    def _launch(self, policy: Policy, runtime: Runtime, function: str, *, bare: bool) -> Launch:
        """All but the frame; the same for every request in the same environment.

        Args:
            policy: names the environment.
            runtime: the interpreter.
            function: of ``python.main``.
            bare: whether modules are to be loaded beforehand only for the guest itself.
        """
        environment = self._environments.get(policy.guest_environment)
        key = (environment.name, environment.state, environment.built_at, runtime.version, function, bare)
        if key not in self._launches:
            self._launches[key] = self._new_launch(environment, runtime, function, bare=bare)
        return self._launches[key]

    def _new_launch(self, environment: Environment, runtime: Runtime, function: str, *, bare: bool) -> Launch:
        trees = dict(PYTHON_FILES)
        site = environment.site if runtime.version.startswith(environment.python + ".") else None
        packages: Iterable[str] = ()
        if site is not None:
            trees[site] = SITE
            trees.update((Path(path), path) for path in environment.libraries)
            packages = environment.packages
        own = self._program is not None
        command = (str(runtime.program), "-I", "-S", "-X", "utf8", "-u", "/guest/python/main.py")
        preload = BARE if bare else sum((_PRELOAD_OF_SITE.get(package, ()) for package in packages), PRELOAD)
        if packages and not bare:
            preload += ("python.ahead",)
        return Launch(
            argv=(*command, function) if own else ("python.main", function),
            frame=b"",
            trees=trees,
            environment={} if site is None else _ENVIRONMENT,
            in_process=not own,
            preload=() if own else preload,
            spare_memory_mb=_SPARE_MEMORY_MB,
        )


def request_frame(request: ExecutionRequest, policy: Policy, **extra: object) -> bytes:
    """The packed request frame. The inputs go in as the wire bytes that the request keeps."""
    allowed = policy.allowed_imports
    head = {
        "v": VERSION,
        "code": request.code,
        "language": request.language,
        "allowed_imports": None if allowed is None else list(allowed),
        "max_value_bytes": policy.max_output_bytes,
        **extra,
    }
    return pack(
        json.dumps(head, separators=(",", ":")).encode("ascii")[:-1] + b',"inputs":' + request.inputs_wire + b"}"
    )


def find_python(program: Path | None, language: str) -> Runtime | Missing:
    """An interpreter, its standard library and all that they are linked against, at the paths that they have here.

    Args:
        program: the interpreter; by default the one that this process's virtual environment was made from.
        language: what the runtime is for.
    """
    found = _look_at(Path(os.path.realpath(program or getattr(sys, "_base_executable", None) or sys.executable)))
    return found if isinstance(found, Missing) else dataclasses.replace(found, language=language)


@functools.lru_cache(maxsize=8)
def _look_at(path: Path) -> Runtime | Missing:
    try:
        said = subprocess.run([path, "-I", "-S", "-c", _PROBE], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Missing(
            f"{path} does not start: {error}", "install Python 3.9 or later (Debian: apt-get install python3)"
        )
    if said.returncode != 0:
        last = (said.stderr.strip().splitlines() or [f"exit code {said.returncode}"])[-1]
        return Missing(
            f"{path} lacks part of the standard library: {last}", "install all of it (Debian: apt-get install python3)"
        )
    facts = json.loads(said.stdout)
    trees, masked = _trees(path, facts), _masked(Path(facts["stdlib"]))
    return Runtime(language="python", version=facts["version"], program=path, trees=trees, masked=masked)


def _trees(program: Path, facts: Mapping[str, Any]) -> dict[Path, str]:
    stdlib = Path(facts["stdlib"])
    # Tk wants a screen, and would bring half of a desktop with it.
    extensions = [
        path for folder in facts["dynload"] for path in Path(folder).glob("*.so") if "_tkinter" not in path.name
    ]
    trees = {program: str(program), stdlib: str(stdlib)}
    trees.update((Path(path), path) for path in facts["dynload"] if not Path(path).is_relative_to(stdlib))
    linked = libraries(program, *extensions)
    trees.update((path, inside) for path, inside in linked.items() if not path.is_relative_to(stdlib))
    trees.update(_loaded_later(linked))
    extras = [*facts["zones"], "/usr/lib/locale/C.utf8"]
    trees.update((Path(path), path) for path in extras if os.path.isdir(path))
    return trees


def _loaded_later(linked: Mapping[Path, str]) -> dict[Path, str]:
    """libgcc_s, which the C library loads by name when a thread is ended; it aborts the process where it is missing."""
    folders = {path.parent for path in linked if path.name.startswith("libc.so")}
    return {
        folder / "libgcc_s.so.1": str(folder / "libgcc_s.so.1")
        for folder in folders
        if (folder / "libgcc_s.so.1").exists()
    }


def _masked(stdlib: Path) -> tuple[str, ...]:
    """Packages that were installed into the interpreter are the host's, not the program's."""
    return tuple(str(stdlib / name) for name in ("dist-packages", "site-packages") if (stdlib / name).is_dir())
