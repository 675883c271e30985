"""How JavaScript and TypeScript are started: deno from its wheel, or from PATH."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from adapters.guest.contract import Launch, Missing, Runtime
from adapters.guest.javascript.reader import ShapeReader
from adapters.guest.linked import libraries
from adapters.guest.protocol import VERSION, pack
from host.models import ExecutionRequest
from host.policy import FileSystemAccess, Policy

__all__ = ["JavaScriptGuest", "TypeScriptGuest"]

_FOLDER = "/runtime/javascript"
_DENO = "/runtime/deno"
_FLAGS = (
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-npm",
    "--no-remote",
    "--no-check",
    "--no-code-cache",
    "--node-modules-dir=none",
)
_SPARE_THREADS = 24
"""V8 and tokio start 5 threads on 2 cores and one more for each core up to a bound; blocking work adds some."""
_SPARE_MEMORY_MB = 96
"""Deno's own: 28 MiB resident after start, 50 with the node modules, and what V8 keeps beside live objects."""
_READER = ShapeReader()


class JavaScriptGuest:
    """JavaScript in deno. The same guest files run on node."""

    language = "javascript"

    def find(self) -> Runtime | Missing:
        """Deno's binary and the libraries that it needs."""
        program = _deno()
        if program is None:
            return Missing("deno is not installed", "pip install deno")
        try:
            said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            return Missing(f"{program} does not run: {error}", "pip install --force-reinstall deno")
        _READER.read("", self.language)  # this starts the worker, and the first run shall not wait for it
        version = said.split()[1] if said.startswith("deno ") else said.strip()
        trees = {program: _DENO, Path(__file__).parent: _FOLDER, **libraries(program)}
        return Runtime(self.language, version, program, trees)

    def launch(self, request: ExecutionRequest, policy: Policy, runtime: Runtime) -> Launch:
        """Start ``request`` in deno."""
        frame = self._frame(request, policy, _READER.read(request.code, self.language))
        return dataclasses.replace(self._start(policy, "guest.mjs"), frame=frame)

    def open(self, policy: Policy, runtime: Runtime) -> Launch:
        """Start a session in deno."""
        return self._start(policy, "session.mjs", "--allow-sys=inspector", arguments=(self.language,))

    def frame(self, request: ExecutionRequest, policy: Policy) -> bytes:
        """One command of a session."""
        return self._frame(request, policy, _READER.read(request.code, self.language, is_command=True))

    def _start(self, policy: Policy, file: str, *more: str, arguments: tuple[str, ...] = ()) -> Launch:
        """All but the frame.

        Where the policy lets no files in and lists the modules, deno's own permissions stay shut as one more layer
        (only variables of the environment can be read); else they are open and the wall alone contains.
        """
        permissions = ("--allow-ffi", "--allow-env", *more) if _is_closed(policy) else ("--allow-all",)
        # V8 aborts at a limit of its own; the wall's is to be reached first, because its verdict is the clear one.
        heap = f"--v8-flags=--max-old-space-size={policy.max_memory_mb + _SPARE_MEMORY_MB}"
        return Launch(
            argv=(_DENO, *_FLAGS, *permissions, heap, f"{_FOLDER}/{file}", *arguments),
            frame=b"",
            environment={"DENO_DIR": "/tmp/deno", "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"},
            spare_processes=_SPARE_THREADS,
            address_space_limits=False,
            spare_memory_mb=_SPARE_MEMORY_MB,
        )

    def _frame(self, request: ExecutionRequest, policy: Policy, facts: dict[str, Any]) -> bytes:
        message: dict[str, Any] = {
            "v": VERSION,
            "code": request.code,
            "language": self.language,
            "shape": facts,
            "allowed_imports": policy.allowed_imports,
            "max_value_bytes": policy.max_output_bytes,
            "closed": _is_closed(policy),
            "binary": _DENO,
        }
        head = json.dumps(message, separators=(",", ":")).encode("ascii")
        return pack(head[:-1] + b',"inputs":' + request.inputs_wire + b"}")


class TypeScriptGuest(JavaScriptGuest):
    """TypeScript in deno, which takes the types out and does not check them."""

    language = "typescript"


def _deno() -> Path | None:
    try:
        from deno import find_deno_bin

        return Path(find_deno_bin()).resolve()
    except (ImportError, FileNotFoundError):
        found = shutil.which("deno")
        return Path(found).resolve() if found else None


def _is_closed(policy: Policy) -> bool:
    return policy.file_system_access is FileSystemAccess.NONE and policy.allowed_imports is not None
