"""Serve the emulated services for use by hand.

`python tests/emulators/serve.py` prints the lines that point a shell at them, and serves until it is interrupted.
"""

import importlib
import shlex
import signal
import sys
import threading
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[0] = str(_HERE.parents[1])

from tests.emulators.account import Account  # noqa: E402 - found from the checkout, wherever this is started
from tests.emulators.service import Service  # noqa: E402


def every_service() -> list[Service]:
    """The services of every module that has a function for them."""
    found: list[Service] = []
    for path in sorted(_HERE.glob("*.py")):
        if "\ndef services(" in path.read_text(encoding="utf-8"):
            found += importlib.import_module(f"tests.emulators.{path.stem}").services()
    return found


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with Account(*every_service()) as account:
        for name, value in account.environment().items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.flush()
        over.wait()


if __name__ == "__main__":
    main()
