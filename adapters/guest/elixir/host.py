"""How Elixir is started: `erlexec` itself, without the shell scripts around it."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from adapters.guest.contract import Launch, Missing, Runtime
from adapters.guest.linked import libraries
from adapters.guest.protocol import VERSION, pack
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["ElixirGuest"]

_SOURCES = sorted(Path(__file__).parent.glob("*.exs"))
_ERLANG = "/runtime/erlang"
_ELIXIR = "/runtime/elixir"
_GUEST = "/runtime/guest"
_LEAST = (1, 14)
_PROBE = """
IO.puts(System.version()); IO.puts(:erlang.system_info(:version))
IO.puts(:code.root_dir()); IO.puts(:code.lib_dir(:elixir))
"""
_INSTALL = "apt-get install elixir"

_EMULATOR = ("-noinput", "+S", "1:1", "+SDcpu", "1:1", "+SDio", "1", "+A", "1", "+sbwt", "none", "+fnu", "+W", "w")
"""One scheduler of each kind, none of which waits busily; names and output in UTF-8."""
_LOG = "[{handler,default,logger_std_h,#{config=>#{type=>standard_error}}}]"
_SPARE_THREADS = 16
_SPARE_MEMORY_MB = 80


class ElixirGuest:
    """Elixir 1.14 or later, wherever `elixir` on PATH has it.

    Args:
        state_dir: the host's state folder, where the compiled guest is kept; by default the one that settings name.
    """

    language = "elixir"

    def __init__(self, state_dir: Path | None = None) -> None:
        self._state_dir = state_dir

    def find(self) -> Runtime | Missing:
        """Erlang's and Elixir's folders, and the guest compiled for them."""
        elixir = shutil.which("elixir")
        if elixir is None:
            return Missing("elixir is not installed", _INSTALL)
        try:
            said = subprocess.run([elixir, "-e", _PROBE], capture_output=True, text=True, timeout=60, check=True).stdout
            version, erts, root, library = said.split("\n")[:4]
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return Missing(f"{elixir} does not run: {error}", _INSTALL)
        if tuple(int(part) for part in version.split(".")[:2]) < _LEAST:
            return Missing(f"elixir is of version {version}; the guest needs 1.14", "install Elixir 1.14 or later")
        binaries = Path(root, f"erts-{erts}", "bin")
        if not (binaries / "erlexec").is_file():
            return Missing(f"{binaries} has no erlexec", _INSTALL)
        try:
            guest = self._compiled(elixir, f"{version} {erts}")
        except (OSError, subprocess.SubprocessError) as error:
            return Missing(
                f"the guest does not compile: {error}", "set state_dir to a folder that this user may write to"
            )
        programs = [binaries / name for name in ("erlexec", "beam.smp", "erl_child_setup")]
        modules = [path.resolve() for path in Path(root, "lib").glob("*/priv/lib/*.so")]
        trees = {
            Path(root): _ERLANG,
            Path(library).resolve().parent: _ELIXIR,
            guest: _GUEST,
            **libraries(*programs, *modules),
        }
        return Runtime(self.language, version, binaries / "erlexec", trees)

    def launch(self, request: ExecutionRequest, policy: Policy, runtime: Runtime) -> Launch:
        """Start ``request``. Elixir's modules are all there without an import, so the list of imports means nothing."""
        binaries = f"{_ERLANG}/{runtime.program.parent.parent.name}/bin"
        paths = (f"{_GUEST}", f"{_ELIXIR}/elixir/ebin", f"{_ELIXIR}/eex/ebin", f"{_ELIXIR}/logger/ebin")
        head = {
            "v": VERSION,
            "code": request.code,
            "language": self.language,
            "allowed_imports": policy.allowed_imports,
            "max_value_bytes": policy.max_output_bytes,
        }
        body = json.dumps(head, separators=(",", ":")).encode("ascii")
        return Launch(
            argv=(
                f"{binaries}/erlexec",
                *_EMULATOR,
                *("-boot", f"{_ERLANG}/bin/start_clean"),
                *("-kernel", "logger", _LOG),
                *("-pa", *paths),
                *("-s", "Elixir.Understudy.Guest", "main"),
            ),
            frame=pack(body[:-1] + b',"inputs":' + request.inputs_wire + b"}"),
            environment={
                "ROOTDIR": _ERLANG,
                "BINDIR": binaries,
                "EMU": "beam",
                "PROGNAME": "erl",
                "ERL_CRASH_DUMP_BYTES": "0",
                "HOME": "/work",
            },
            spare_processes=_SPARE_THREADS,
            address_space_limits=False,
            spare_memory_mb=_SPARE_MEMORY_MB,
        )

    def _compiled(self, elixir: str, versions: str) -> Path:
        """The folder of the guest's compiled modules, made once for each version: compiling takes a second."""
        sources = b"".join(path.read_bytes() for path in _SOURCES)
        folder = self._folder() / hashlib.sha256(sources + versions.encode()).hexdigest()[:16]
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        made.chmod(0o755)
        compiler = Path(elixir).with_name("elixirc")
        try:
            command = [str(compiler), "-o", str(made), *map(str, _SOURCES)]
            subprocess.run(command, capture_output=True, timeout=120, check=True)
            os.rename(made, folder)  # whole or not at all, also when several hosts start at once
        except (OSError, subprocess.SubprocessError):
            shutil.rmtree(made, ignore_errors=True)
            if not folder.is_dir():
                raise
        return folder

    def _folder(self) -> Path:
        if self._state_dir is None:
            from host.settings import load_settings

            self._state_dir = load_settings().state_dir
        return self._state_dir / "elixir"
