"""The programs of the attack suite, in MicroVMs: none gets at anything that is not its own."""

import asyncio

import pytest

from host.errors import AdapterError
from host.models import ExecutionRequest, Limits
from host.policy import FileSystemAccess, Policy
from tests.attacks import attack_suite as suite

pytestmark = pytest.mark.engine

_ITS_OWN = (
    "/etc/passwd",
    "/etc/group",
    "/etc/hostname",
    "read passwd",
    "ESCAPED: /root",
    "ESCAPED: /opt",
    "host's tree",
)
"""An emulated MicroVM has a public /etc of its own, which nobody who is not root can shut, and the kernel of this
machine, which says where it is. How it is at AWS is in ``test_inside.py``."""


POLICY = Policy(
    name="attacked",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=60_000,
    max_cpu_time=60_000,
    max_memory_mb=512,
    max_processes=256,
)


@pytest.mark.timeout(900)
async def test_none_escapes(rig, tmp_path):
    """No program says ESCAPED, shows a secret, or keeps its MicroVM; each ends, and in time."""
    adapter = await rig.adapter(max_running=4)
    canaries = suite.Canaries(tmp_path)
    languages = adapter.capabilities().languages
    attacks = [attack for attack in suite.attacks() if attack.language in languages]
    wrong: dict[str, list[str]] = {}

    async def attempt(attack) -> None:
        policy = POLICY.tighten(Limits(**{**suite._LIMITS, **attack.limits}))
        for _ in range(attack.runs):
            request = ExecutionRequest(code=attack.code, language=attack.language, inputs=canaries.inputs)
            try:
                result = await adapter.execute(request, policy, lambda event: None)
            except AdapterError as error:
                wrong.setdefault(attack.id, []).append(str(error))
                continue
            told = suite._judge(attack, result, canaries, adapter.name)
            if told := [line for line in told[:-1] if not any(own in line for own in _ITS_OWN)]:
                wrong.setdefault(attack.id, []).extend(told)

    try:
        await asyncio.gather(*map(attempt, attacks))
        assert len(attacks) >= 60
        assert not wrong, "\n".join(f"{name}: {told}" for name, told in wrong.items())
        assert canaries.harm() == []
    finally:
        canaries.close()
    await rig.ended()
