"""Which cases fit an adapter, and the few programs that the suite itself drives."""

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.errors import AdapterError
from host.interface import AdapterContext, Capabilities
from host.policy import Enforcement
from host.testing.enforcement import TRIALS
from host.testing.program import Program
from host.testing.programs import PAIRS, PROGRAMS
from host.testing.programs.sessions import SESSIONS

if TYPE_CHECKING:
    from host.testing.harness import Harness

__all__ = ["ENDLESS", "GREETINGS", "SLOW_CHARACTERS", "applies", "cases_for", "learn"]

GREETINGS = {
    "python": "print('hello')\nresult = 'hello'",
    "javascript": "console.log('hello'); result = 'hello'",
    "typescript": "console.log('hello'); result = 'hello'",
    "bash": "echo hello; result=hello",
    "sql": "SELECT 'hello' AS greeting",
    "elixir": 'IO.puts("hello")\n"hello"',
}
"""By language, a program that says hello."""

ENDLESS = {
    "python": "import os, time\nprint('ready', flush=True)\n"
    "if os.fork() == 0:\n    os.setsid()\nwhile True:\n    time.sleep(0.01)",
    "javascript": "console.log('ready'); while (true) {}",
    "typescript": "console.log('ready'); while (true) {}",
    "bash": "trap '' TERM INT HUP; echo ready; sleep 600 & while :; do :; done",
    "elixir": 'IO.puts("ready")\nProcess.sleep(:infinity)',
}
"""By language, a program that says ready and never ends, with children and deaf ears where the language has them."""

SLOW_CHARACTERS = "import os\nfor byte in '\U0001f600\u00e9\u20ac'.encode() * 20:\n    os.write(1, bytes([byte]))\n"

_learned: dict[type, Capabilities | None] = {}


def learn(suite: "type[Harness]") -> Capabilities | None:
    """What the suite's adapter claims, started once for the purpose; None where it cannot start."""
    if suite not in _learned:
        _learned[suite] = asyncio.run(_claims(suite))
    return _learned[suite]


async def _claims(suite: "type[Harness]") -> Capabilities | None:
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        adapter = suite.make_adapter()
        try:
            await adapter.start(AdapterContext(settings=suite.settings, state_dir=Path(folder), owner="conformance"))
        except AdapterError:
            return None
        try:
            return adapter.capabilities()
        finally:
            await adapter.aclose()


def cases_for(claims: Capabilities | None) -> dict[str, list[Any]]:
    """By argument of a test, the cases that fit these claims."""
    if claims is None:
        return {"program": [], "pair": [], "endless": [], "language": [], "kept": [], "trial": []}
    spoken = set(claims.languages) if claims.runs_code else set()
    return {
        "program": [program for program in PROGRAMS if applies(program, claims)],
        "pair": [pair for pair in PAIRS if pair.language in spoken],
        "endless": [language for language in ENDLESS if language in spoken],
        "language": [language for language in GREETINGS if language in claims.languages],
        "trial": [trial for trial in TRIALS if "python" in spoken and _promises(claims, trial.policy_field)],
        "kept": [language for language in SESSIONS if language in claims.session_languages],
    }


def _promises(claims: Capabilities, policy_field: str) -> bool:
    """Whether the adapter says that no program gets past this field."""
    return claims.level(policy_field, "python").upholds(Enforcement.GUEST)


def applies(program: Program, claims: Capabilities) -> bool:
    """Whether the case means anything for an adapter with these claims."""
    if program.language not in claims.languages:
        return False
    if not claims.runs_code:
        return False
    if (program.moves_files or program.files) and not claims.files:
        return False
    held = (claims.level(name, program.language) for name in program.needs)
    return all(level.upholds(Enforcement.GUEST) for level in held)
