"""What the command line imports stays light."""

import subprocess
import sys


def test_plugins_import_nothing_heavy() -> None:
    """The plugins of adapters, readiness and voice load no pydantic, no structlog, no engine."""
    code = (
        "import sys, adapters.plugin, readiness.plugin, voice_handler.plugin\n"
        "print([name for name in ('pydantic', 'structlog', 'sqlalchemy', 'pydantic_monty') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
