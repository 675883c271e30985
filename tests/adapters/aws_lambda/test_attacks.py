"""The repository's attack programs in functions of an emulated Lambda: none escapes, each leaves its place clean."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from host.hookspecs import hookimpl
from host.models import ExecutionRequest
from host.specs import AdapterSpec
from tests.adapters.aws_lambda.suite import EmulatedLambda, served
from tests.attacks import attack_suite as suite

pytestmark = pytest.mark.engine

ATTACKS = suite.attacks()

OF_THE_PLACE = {
    "bash-read_files": ("ESCAPED: read /etc/passwd",),
    "javascript-read_files": ("ESCAPED: read passwd",),
    "python-list_homes": ("ESCAPED: /root ['.pyenv']",),  # where the emulator shows this machine's interpreter
    "python-read_etc_passwd": ("ESCAPED: read /etc/passwd", "ESCAPED: read /etc/group"),
    "python-sys_files": ("ESCAPED: sees where it is in the host's tree",),  # in that of the environment
}
"""What counts as an escape from a wall on the host, and is none here: the system is Lambda's own, as every function has
it. ``test_the_system_is_lambdas`` proves that it is."""


class _Plugin:
    """Brings the adapter, pointed at the emulator."""

    @hookimpl
    def adapters(self) -> Iterator[AdapterSpec]:
        yield AdapterSpec("lambda", EmulatedLambda, "under attack")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked():
    """One host for all programs, so that what one spoils shows in the next."""
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        only_this = {
            "plugins.disabled": ("adapters.plugin",),
            "adapters.prefer": ("lambda",),
            "adapters.lambda": {"enabled": True},
        }
        async with suite.host_under_attack(folder, {"attacks": _Plugin()}, **only_this) as under_attack:
            yield under_attack


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.id for attack in ATTACKS])
async def test_lambda_contains(attacked, attack) -> None:
    """The program reaches nothing, and leaves neither a process nor a file to the next one in its environment."""
    await suite.contained(attacked, attack, "lambda", own=OF_THE_PLACE.get(attack.id, ()))
    places = [each for each in served().look() if each["language"] == attack.language]
    assert places, "its execution environment had to be ended"
    left = [each for each in places if each["strays"] or each["files"]]
    assert not left, json.dumps(left, indent=1)
    assert not [each["said"] for each in places if "this environment ends" in each["said"]]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_system_is_lambdas(attacked) -> None:
    """The system files that a program can read are those of its execution environment, and say nothing of this host."""
    host, _ = attacked
    code = "import socket\nresult = [open('/etc/passwd').read(), open('/etc/hostname').read()]"
    result = await host.execute(ExecutionRequest(code=code, policy="standard", adapter="lambda"))
    passwd, hostname = result.value
    assert passwd.startswith("root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:")
    assert hostname == "169-254-100-5\n"
