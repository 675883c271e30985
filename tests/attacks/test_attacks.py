"""Every attack is contained: by the wall alone, because the import guard is off under policy standard."""

import json
import os
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from host.testing import missing
from tests.attacks import attack_suite as suite

ATTACKS = suite.attacks()


def test_there_are_enough_of_them() -> None:
    """There are at least 60 programs, in the four languages, each with a sentence of its own."""
    assert len(ATTACKS) >= 60
    assert {attack.language for attack in ATTACKS} == {"python", "javascript", "typescript", "bash"}
    assert len({(attack.language, attack.tries) for attack in ATTACKS}) == len(ATTACKS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked():
    """One host for all programs, so that a spoiled host shows. Its folder is open to all: only the wall hides it."""
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with suite.host_under_attack(folder) as (host, canaries):
            yield host, canaries


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.id for attack in ATTACKS])
async def test_sandbox_contains(attacked, attack) -> None:
    """The program ends as it should, reaches nothing, and leaves nothing."""
    await suite.contained(attacked, attack, "sandbox")


@pytest.mark.asyncio(loop_scope="module")
async def test_monty_contains(attacked) -> None:
    """On monty every Python program is declined, fails, or runs and reaches nothing."""
    host, canaries = attacked
    if reason := suite.not_ready(host, "monty"):
        missing(f"monty is not ready: {reason}")
    escaped = {}
    for attack in ATTACKS:
        if attack.language == "python" and (wrong := await suite.run(host, canaries, attack, "monty")):
            escaped[attack.id] = wrong
    assert not escaped, json.dumps(escaped, indent=1)


@pytest.mark.skipif(os.getuid() != 0, reason="all of the above ran as an ordinary user already")
@pytest.mark.timeout(300)
@pytest.mark.engine
def test_sandbox_contains_as_an_ordinary_user(as_ordinary_user) -> None:
    """A host that an ordinary user runs contains all of them too."""
    done = as_ordinary_user("/mnt/checkout/tests/attacks/attack_suite.py", "--at-once", "4", timeout=280)
    assert done.returncode in (0, 1, 2), done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["uid"] != 0
    if "not_ready" in report:
        missing(f"the sandbox is not ready for an ordinary user: {report['not_ready']}")
    assert not report["wrong"], json.dumps(report["wrong"], indent=1)
    assert report["ran"] >= 60
