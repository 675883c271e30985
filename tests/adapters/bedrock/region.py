"""Emulated services in a process of their own, whose machines are walled in: run as a script by ``emulated.py``.

Each machine sees neither the tester's processes nor their temporary files and sockets, and its programs belong to an
ordinary user: as much of a microVM as the runner inside can tell. Prints the variables that point boto3 here, as one
line of JSON, and serves until stdin ends.
"""

import json
import sys
import tempfile
from pathlib import Path

from tests.emulators import agentcore, agentcore_machine
from tests.emulators.account import Account

_MACHINE = """#!/bin/sh
session=$(dirname "$HOME")
image=$(dirname "${PATH%%:*}")
exec bwrap --unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --ro-bind / / --dev /dev \\
    --proc /proc --tmpfs /tmp --tmpfs /var/tmp --bind "$session" "$session" --ro-bind "$image" "$image" -- PYTHON "$@"
"""


class _Walled:
    """``sys`` for the module that starts machines: with the program that starts a walled one."""

    def __init__(self, program: Path) -> None:
        self.executable = str(program)

    def __getattr__(self, name):
        return getattr(sys, name)


def main() -> None:
    """Serve until nobody wants it any more."""
    with tempfile.TemporaryDirectory(prefix="region-") as name:
        program = Path(name) / "machine"
        program.write_text(_MACHINE.replace("PYTHON", str(Path(sys.base_prefix) / "bin" / "python3")))
        program.chmod(0o755)
        agentcore_machine.sys = _Walled(program)
        with Account(*agentcore.services()) as account:
            sys.stdout.write(json.dumps(account.environment()) + "\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    main()
