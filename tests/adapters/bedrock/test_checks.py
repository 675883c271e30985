"""What the adapter says of itself: whether the service is there, what is missing, and what mends it."""

import asyncio
import io
import json
import zipfile
from dataclasses import replace

import pytest

from adapters.bedrock import sessions
from adapters.bedrock.adapter import BedrockAdapter
from adapters.bedrock.bundle import bundle
from adapters.bedrock.checks import Checks
from host.interface import AdapterContext
from host.policy import ENFORCED_FIELDS, Enforcement
from tests.emulators import faults


def of(check, name):
    """The finding of that name."""
    return next(finding for finding in check.findings if finding.name == name)


@pytest.fixture
async def anew(state_dir):
    """Starts an adapter in the environment as it is; it has to find out everything."""
    begun = []

    async def start(**settings):
        adapter = BedrockAdapter()
        begun.append(adapter)
        await adapter.start(AdapterContext({"warm": False, **settings}, state_dir, "owner"))
        return adapter

    yield start
    for adapter in begun:
        await adapter.aclose()


async def test_all_is_well(bedrock):
    """A check asks the service, runs a program of each language, and says what there is and what it costs."""
    check = await bedrock.adapter.check()
    assert check.ok, check
    assert all(finding.ok for finding in check.findings)
    assert "READY, network mode SANDBOX" in of(check, "interpreter").reason
    assert "refused the network, other processes' memory and other folders" in of(check, "python program").reason
    for language in bedrock.adapter.capabilities().languages:
        assert of(check, f"{language} program").ok
    assert "at most 100" in of(check, "sessions").reason
    assert "are charged" in of(check, "warm").reason or "is charged" in of(check, "warm").reason
    await bedrock.nothing_runs()


async def test_programs_are_run_seldom(bedrock, start):
    """Each language is proved once in proof_every_s, by this host or another with the same state folder."""
    await bedrock.adapter.check()
    bedrock.account.log.clear()
    assert (await bedrock.adapter.check()).ok
    other = await start(owner="other")
    assert (await other.adapter.check()).ok
    assert bedrock.account.log.calls("StartCodeInterpreterSession") == []
    await other.adapter.aclose()


async def test_programs_are_run_again_in_time(start):
    """Once that time is over each language is proved anew, and looked for anew."""
    bedrock = await start(proof_every_s=1, languages=("python", "bash"))
    await bedrock.adapter.check()
    bedrock.account.log.clear()
    for at in (bedrock.adapter._memory.proved, vars(bedrock.adapter._memory)):
        at.update({name: 0.0 for name in at if name in ("python", "bash", "looked_at")})
    assert (await bedrock.adapter.check()).ok
    assert len(bedrock.account.log.calls("StartCodeInterpreterSession")) == 3
    await bedrock.adapter.aclose()


async def test_checks_at_the_same_time_are_one(start):
    """Several who ask at once share one check, and its costs."""
    bedrock = await start(languages=("python",))
    checks = await asyncio.gather(*(bedrock.adapter.check() for _ in range(4)))
    assert all(check is checks[0] for check in checks)
    assert len(bedrock.account.log.calls("StartCodeInterpreterSession")) == 1
    await bedrock.adapter.aclose()


async def test_available_starts_nothing(bedrock):
    """``available`` asks the service one question."""
    assert (await bedrock.adapter.available()).ok
    (call,) = bedrock.account.log.calls()
    assert call.operation == "GetCodeInterpreter"


@pytest.mark.parametrize("method", ["check", "available"])
async def test_before_it_is_started(method):
    """An adapter that was not started says so."""
    said = await getattr(BedrockAdapter(), method)()
    assert (said.ok, "not been started" in said.reason) == (False, True)


async def test_no_credentials(agentcore, anew, monkeypatch):
    """Without credentials it is not configured; the finding says where they may come from."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    adapter = await anew()
    check = await adapter.check()
    assert not check.ok
    assert not of(check, "AWS credentials").ok
    assert "aws configure" in check.remedy
    assert adapter.capabilities().languages == ()


async def test_no_region(agentcore, anew, monkeypatch):
    """Without a region it is not configured; the finding names the setting."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    check = await (await anew()).check()
    assert not check.ok
    assert "region in [adapters.bedrock]" in check.remedy


async def test_a_region_without_the_service(agentcore, anew, monkeypatch):
    """Where nothing answers, the network or the region is at fault, and the finding says both."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", agentcore.nowhere)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL", agentcore.nowhere)
    check = await (await anew()).check()
    assert not check.ok
    assert "cannot be reached" in check.reason
    assert "region us-east-1 does not have the service" in check.remedy


@pytest.mark.parametrize(
    ("interpreter", "action", "operation"),
    [
        ("aws.codeinterpreter.v1", "GetCodeInterpreter", "GetCodeInterpreter"),
        ("aws.codeinterpreter.v1", "StartCodeInterpreterSession", "StartCodeInterpreterSession"),
        ("mine-0123456789", "GetCodeInterpreter", "GetCodeInterpreter"),
    ],
)
async def test_what_iam_denies(agentcore, anew, interpreter, action, operation):
    """Where IAM denies an action the finding names it, and has the policy document to paste."""
    agentcore.fail(operation, faults.denied())
    check = await (await anew(interpreter=interpreter)).check()
    assert not check.ok
    assert f"bedrock-agentcore:{action}" in check.reason
    document = json.loads(check.remedy[check.remedy.index("{") :])
    (statement,) = document["Statement"]
    assert f"bedrock-agentcore:{action}" in statement["Action"]
    assert any(interpreter in resource for resource in statement["Resource"])
    assert all("us-east-1" in resource for resource in statement["Resource"])


async def test_expired_credentials(agentcore, anew):
    """Expired credentials are told from a denial."""
    agentcore.identity.expired = True
    check = await (await anew()).check()
    assert not check.ok
    assert "expired" in check.reason
    assert "aws sso login" in check.remedy


@pytest.mark.parametrize("fault", [faults.throttled, faults.quota], ids=["429", "402"])
async def test_a_busy_service(bedrock, fault):
    """A service that takes no more just now is busy, and is not ready now."""
    bedrock.account.fail("GetCodeInterpreter", fault())
    check = await bedrock.adapter.check()
    assert not check.ok
    assert "takes no more" in check.reason
    assert "Service Quotas" in check.remedy


async def test_an_interpreter_of_ones_own(agentcore, anew):
    """An own interpreter, in a VPC say, is used by its id; sessions are started in it alone."""
    control = agentcore.client("bedrock-agentcore-control")
    made = control.create_code_interpreter(
        name="mine",
        networkConfiguration={
            "networkMode": "VPC",
            "vpcConfig": {"securityGroups": ["sg-01234567"], "subnets": ["subnet-01234567"]},
        },
    )["codeInterpreterId"]
    adapter = await anew(interpreter=made, languages=["python"])
    check = await adapter.check()
    assert check.ok, check
    assert f"{made} is READY, network mode VPC" in of(check, "interpreter").reason
    started = agentcore.log.calls("StartCodeInterpreterSession")
    assert {call.input["codeInterpreterIdentifier"] for call in started} == {made}
    assert adapter.capabilities().version == f"AgentCore {made}"


async def test_an_interpreter_that_is_not_there(agentcore, anew):
    """An id that nobody knows is named, with the setting."""
    check = await (await anew(interpreter="gone-0123456789")).check()
    assert not check.ok
    assert "gone-0123456789" in check.reason
    assert "interpreter in [adapters.bedrock]" in check.remedy


async def test_an_interpreter_that_is_not_ready(agentcore, anew, monkeypatch):
    """One that is being made, or could not be, is not ready; the reason is AWS's."""
    control = agentcore.services["bedrock-agentcore-control"]
    system = control._interpreters["aws.codeinterpreter.v1"]
    monkeypatch.setitem(system, "status", "CREATE_FAILED")
    monkeypatch.setitem(system, "failureReason", "no such subnet")
    check = await (await anew(languages=["python"])).check()
    assert not check.ok
    assert check.reason == "aws.codeinterpreter.v1 is CREATE_FAILED: no such subnet"


async def test_it_finds_out_later(agentcore, anew):
    """What could not be found out at the start a later check finds, and from then on programs are taken."""
    fault = agentcore.fail("StartCodeInterpreterSession", faults.denied())
    adapter = await anew(languages=["python", "bash"])
    assert adapter.capabilities().languages == ()
    fault.remove()
    assert (await adapter.check()).ok
    assert adapter.capabilities().languages == ("bash", "python")


async def test_what_it_claims(bedrock):
    """Remote and priced; time and output held by the host, the rest by the runner, imports by nobody."""
    claims = bedrock.adapter.capabilities()
    assert (claims.remote, claims.priced, claims.files, claims.streaming) == (True, True, True, False)
    assert set(claims.enforcement) == set(ENFORCED_FIELDS)
    wall = {name for name, level in claims.enforcement.items() if level is Enforcement.WALL}
    assert wall == {"max_execution_time", "max_output_bytes"}
    assert claims.enforcement["allowed_imports"] is Enforcement.ADVICE
    assert set(claims.session_languages) == set(claims.languages) - {"bash"}


async def test_a_kernel_that_does_not_shut_programs_in(bedrock, monkeypatch):
    """Where programs reach into the service's processes, nothing that is held inside is more than advice, and that is
    said.
    """
    memory = bedrock.adapter._memory
    memory.learn(replace(memory.found, memory_closed=False))
    claims = bedrock.adapter.capabilities()
    assert claims.enforcement["network_access"] is Enforcement.ADVICE
    assert claims.enforcement["max_execution_time"] is Enforcement.WALL
    monkeypatch.setattr(Checks, "_programs", nothing_to_prove)
    finding = of(await bedrock.adapter.check(), "shut in")
    assert (finding.ok, "advice" in finding.reason) == (False, True)


async def test_a_kernel_without_landlock(start, monkeypatch):
    """Programs run there too, but nothing that is held inside is said to be more than advice."""
    without = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle())) as packed, zipfile.ZipFile(without, "w") as changed:
        for name in packed.namelist():
            content = packed.read(name)
            if name == "enter/shut.py":
                content += b"\n\ndef version(kernel):\n    return 0\n"
            changed.writestr(name, content)
    monkeypatch.setattr(sessions, "bundle", without.getvalue)
    bedrock = await start(knows=False, languages=("python",))
    claims = bedrock.adapter.capabilities()
    assert claims.enforcement["file_system_access"] is Enforcement.ADVICE
    assert claims.enforcement["network_access"] is Enforcement.ADVICE
    assert (await bedrock.run("6 * 7")).value == 42
    check = await bedrock.adapter.check()
    assert check.ok
    assert not of(check, "shut in").ok
    assert "are open to it" in of(check, "python program").reason
    await bedrock.adapter.aclose()


async def test_an_interpreter_that_was_renewed(bedrock):
    """Where a program is no longer where it was found, the next session looks around by itself, and serves."""
    memory = bedrock.adapter._memory
    there = memory.found
    tools = {**there.tools, "deno": ("/nowhere/deno", "deno 1"), "node": ("/nowhere/node", "1 undefined")}
    memory.learn(replace(there, tools=tools))
    assert (await bedrock.run("result = 42", "javascript")).value == 42
    assert memory.found == there


async def nothing_to_prove(self, languages):
    """No program is run."""
    return []
