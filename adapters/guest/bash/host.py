"""How Bash is started, and which commands its programs find."""

import base64
import datetime
import decimal
import fractions
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapters.guest.contract import Launch, Missing, Runtime
from adapters.guest.linked import libraries
from host.models import ExecutionRequest
from host.policy import Policy
from host.values import Image, Opaque, encode

__all__ = ["BashGuest", "text_of"]

_HERE = Path(__file__).parent
_BASH = "/usr/bin/bash"
_GUEST = "/runtime/bash/guest.bash"
_PROGRAM = "/program.sh"
_LOCALE = Path("/usr/lib/locale/C.utf8")
_SEPARATOR = "\x1e"

_COMMANDS = (
    # coreutils
    """arch b2sum base32 base64 basename basenc cat chgrp chmod chown cksum comm cp csplit cut date dd df dir dirname du
    echo env expand expr factor false fmt fold groups head id install join link ln logname ls md5sum mkdir mkfifo mktemp
    mv nice nl nohup nproc numfmt od paste pathchk pr printenv printf ptx pwd readlink realpath rm rmdir seq sha1sum
    sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test
    timeout touch tr true truncate tsort tty uname unexpand uniq unlink vdir wc whoami yes [ """
    # and the rest of what scripts take for granted
    "awk bash bc cmp diff diff3 egrep fgrep find getopt grep gunzip gzip hexdump jq rev sdiff sed sh tar xargs xxd zcat"
)


class BashGuest:
    """Bash with the usual commands."""

    language = "bash"

    def find(self) -> Runtime | Missing:
        """Bash, the commands, and the libraries of them all."""
        found = shutil.which("bash")
        if found is None:
            return Missing("bash is not installed", "apt-get install bash")
        version = _version(found)
        if version is None:
            return Missing(f"{found} does not say its version", "install bash 5 or later")
        if version < (5, 0):
            said = ".".join(map(str, version))
            return Missing(f"{found} is of version {said}; the guest needs 5.0", "install bash 5 or later")
        commands = {Path(path): f"/usr/bin/{name}" for name in _COMMANDS.split() if (path := shutil.which(name))}
        trees = {**commands, _HERE / "guest.bash": _GUEST, _HERE / "program.sh": _PROGRAM}
        trees |= libraries(*_binaries(commands))
        if _LOCALE.is_dir():
            trees[_LOCALE] = str(_LOCALE)
        return Runtime(self.language, ".".join(map(str, version)), Path(found).resolve(), trees)

    def launch(self, request: ExecutionRequest, policy: Policy, runtime: Runtime) -> Launch:
        """Start ``request`` in bash.

        Raises:
            ValueError: code or an input holds a NUL character or half a surrogate pair, or a key is empty.
        """
        fields = [_field("the code", request.code)]
        for key, value in request.inputs.items():
            if not key:
                raise ValueError("an input with an empty name has no place in a Bash array; give it a name")
            fields += [_field("the name of an input", key), _field(f"input {key!r}", text_of(value))]
        return Launch(
            argv=(_BASH, "--norc", "--noprofile", _PROGRAM, _GUEST),
            frame=_SEPARATOR.join([*fields, "."]).encode("utf-8"),
            spare_processes=2,
            spare_memory_mb=8,
            report_is_text=True,
        )


def text_of(value: Any) -> str:
    """An input as a Bash program sees it.

    ============================== ==========================================================================
    null                           the empty text
    bool                           true, false
    int, float, decimal, fraction  digits: ``42``, ``1.5``, ``nan``, ``1.10``, ``1/3``
    str                            itself
    date, time, datetime, duration ISO 8601: ``2026-11-21``, ``PT5400.25S``
    bytes, image                   base64
    list, map, set, table, complex JSON, in the wire form of ``host.values`` (a set: the list of its members)
    object                         its text
    ============================== ==========================================================================
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | decimal.Decimal | fractions.Fraction):
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | Image):
        return base64.b64encode(value.data if isinstance(value, Image) else value).decode("ascii")
    if isinstance(value, Opaque):
        return str(value.text)
    wire = encode(value)
    if isinstance(wire, dict) and wire.get("$type") in ("set", "duration"):
        wire = wire["value"]
    return wire if isinstance(wire, str) else json.dumps(wire, ensure_ascii=False, separators=(",", ":"))


def _field(what: str, text: str) -> str:
    if "\0" in text:
        raise ValueError(f"{what} holds a NUL character, and Bash has no text with NUL; send it base64-encoded")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{what} holds half a surrogate pair, which is no valid text for Bash") from None
    return text.replace("\\", "\\\\").replace(_SEPARATOR, "\\x1e")


def _version(program: str) -> tuple[int, int] | None:
    command = [program, "--norc", "-c", "echo ${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.split()
        return int(said[0]), int(said[1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _binaries(paths: Iterable[Path]) -> list[Path]:
    """What is linked against libraries, each once: no scripts, no second names."""
    return sorted({path.resolve() for path in paths if path.read_bytes()[:4] == b"\x7fELF"})
