"""The adapter on an emulated Lambda: what it says of itself, what it declines, and how it lets go."""

import base64
import logging
import os
import re
from decimal import Decimal

import pytest

from adapters.aws_lambda.adapter import LambdaAdapter
from adapters.aws_lambda.payload import MOST_BYTES
from host.errors import AdapterError
from host.interface import AdapterContext, discard
from host.models import Actor, ExecutionRequest, File, Status
from host.policy import ENFORCED_FIELDS, Enforcement, FileSystemAccess, Policy
from tests.adapters.aws_lambda.packages import PREFIX, deploy
from tests.emulators import faults
from tests.emulators.lambda_runtime import CANARIES


async def test_it_runs(bench) -> None:
    """A program runs in its function: value, output, files both ways, and what it used and cost."""
    code = "print('hello')\nopen('out.txt', 'w').write(open('in.txt').read().upper())\nresult = n * 2"
    result = await bench.run(code, inputs={"n": Decimal("1.10")}, files=(File(path="in.txt", content=b"data"),))
    assert (result.status, result.value, result.stdout) == (Status.SUCCEEDED, Decimal("2.20"), "hello\n")
    assert [(file.path, file.content) for file in result.files] == [("out.txt", b"DATA")]
    assert result.usage.cpu_ms
    assert result.usage.peak_memory_bytes
    assert result.may_have_started
    (call,) = bench.account.log.calls("Invoke")
    assert (call.input["InvocationType"], call.input["LogType"]) == ("RequestResponse", "None")


@pytest.mark.parametrize(
    ("code", "limits", "status", "says"),
    [
        ("1 / 0", {}, Status.FAILED, "ZeroDivisionError"),
        ("import os; os._exit(3)", {}, Status.FAILED, "exit code 3"),
        ("import os; os.abort()", {}, Status.KILLED, "SIGABRT"),
        ("while True: pass", {"max_execution_time": 700}, Status.TIMED_OUT, "700 ms"),
        ("while True: pass", {"max_cpu_time": 500}, Status.TIMED_OUT, "500 ms of CPU"),
        ("x = bytearray(1 << 33)", {}, Status.OUT_OF_MEMORY, "128 MiB"),
        ("print('x' * 100_000)", {"max_output_bytes": 1000}, Status.OUTPUT_LIMIT, "1000 bytes"),
        ("import socket; socket.create_connection(('1.1.1.1', 53))", {}, Status.FAILED, "Address family"),
    ],
)
async def test_every_end(bench, code, limits, status, says) -> None:
    """How a program ended is told as by every other wall."""
    result = await bench.run(code, **limits)
    assert result.status is status, result
    assert says in result.reason + result.stderr


async def test_what_it_costs(bench) -> None:
    """A run has its price: the function's memory times what the handler took, and one request; a cold start counts."""
    bench.service.pool(f"{PREFIX}-python").recycle()
    cold, warm = [(await bench.run("6 * 7")).usage.priced for _ in range(2)]
    assert set(cold.quantities) == {"gb_seconds", "requests"}
    assert cold.quantities["requests"] == warm.quantities["requests"] == 1
    assert cold.quantities["gb_seconds"] > warm.quantities["gb_seconds"] > 0
    assert warm.quantities["gb_seconds"] * 1000 == pytest.approx(round(warm.quantities["gb_seconds"] * 1000))
    assert Decimal("0.0000002") < warm.cost < Decimal("0.001")
    assert (warm.currency, warm.prices_as_of is not None) == ("USD", True)


async def test_what_it_claims(bench) -> None:
    """It offers the languages that are deployed, holds all but imports by the runner, and names what is there."""
    claims = bench.adapter.capabilities()
    assert claims.languages == ("bash", "python")
    assert (claims.remote, claims.priced, claims.files, claims.streaming) == (True, True, True, False)
    assert claims.session_languages == ()
    assert {name: claims.level(name, "python") for name in ENFORCED_FIELDS} == {
        **dict.fromkeys(ENFORCED_FIELDS, Enforcement.GUEST),
        "allowed_imports": Enforcement.ADVICE,
    }
    sha = bench.account.client("lambda").get_function_configuration(FunctionName=f"{PREFIX}-python")["CodeSha256"]
    assert f"$LATEST {sha[:8]}" in claims.version


async def test_a_payload_that_is_too_large(bench) -> None:
    """What Lambda would not take is declined before anything is sent, with its size."""
    request = ExecutionRequest(code="1", inputs={"x": base64.b64encode(os.urandom(6 << 20)).decode()})
    refusal = bench.adapter.accepts(request, bench.policy())
    assert refusal.rule == "payload"
    (size, most) = map(int, re.findall(r"\d{7,}", refusal.reason))
    assert size > 6 << 20
    assert most == MOST_BYTES - 1
    assert bench.account.log.calls("Invoke") == []
    files = (File(path="x", content=os.urandom(5 << 20)),)
    refusal = bench.adapter.accepts(ExecutionRequest(code="1", files=files), bench.policy(max_file_bytes=8 << 20))
    assert refusal.rule == "payload"


async def test_a_large_payload_is_compressed(bench) -> None:
    """Inputs of more than 6 MB go where they can be compressed to less."""
    result = await bench.run("result = len(text)", inputs={"text": "some words " * 700_000})
    assert result.value == 7_700_000
    assert len(bench.account.log.calls("Invoke")[0].input["Payload"]) < 1 << 20


async def test_more_than_the_function_has(bench) -> None:
    """A policy that gives more memory or time than the function has is declined, with the command that mends it."""
    refuse = bench.adapter.accepts
    request = ExecutionRequest(code="1")
    memory = refuse(request, bench.policy(max_memory_mb=1000))
    assert (memory.rule, "it has 1024" in memory.reason) == ("memory", True)
    assert "understudy deploy lambda --memory 1112" in memory.remedy
    time = refuse(request, bench.policy(max_execution_time=60_000))
    assert (time.rule, "--timeout 66" in time.remedy) == ("time", True)
    packages = refuse(request, bench.policy(guest_environment="data"))
    assert (packages.rule, "--guest-environment data" in packages.remedy) == ("guest_environment", True)
    assert refuse(request, bench.policy(network_access=True)).rule == "network"
    assert refuse(ExecutionRequest(code="1", language="javascript"), bench.policy()).rule == "language"
    assert refuse(request, bench.policy()) is None


async def test_inputs_without_a_form(bench) -> None:
    """Inputs that a language has no form for fail the program, and nothing is sent."""
    result = await bench.run("echo", "bash", inputs={"x": "a\0b"})
    assert (result.status, result.may_have_started) == (Status.FAILED, False)
    assert bench.account.log.calls("Invoke") == []


def _isolate(bench, state) -> None:
    """Have the function of Python keep tenants apart."""
    bench.account.client("lambda").delete_function(FunctionName=f"{PREFIX}-python")
    deploy(bench.service, state, ("python",), TenancyConfig={"TenantIsolationMode": "PER_TENANT"})


async def test_tenants(make_bench, found_here) -> None:
    """With tenant isolation each actor has execution environments of its own, under a name that tells nobody."""
    _isolate(await make_bench(), found_here)
    bench = await make_bench()
    for actor in ("anna", "ben", "anna", None):
        request = {"actor": Actor(id=actor)} if actor else {}
        assert (await bench.run("1", **request)).status is Status.SUCCEEDED
    sent = [call.input["TenantId"] for call in bench.account.log.calls("Invoke")]
    assert sent[0] == sent[2] != sent[1]
    assert sent[3] == "nobody"
    assert not any("anna" in tenant or "ben" in tenant for tenant in sent)
    assert len({each.tenant for each in bench.pool().environments}) == 3


async def test_one_tenant_for_all(make_bench, found_here) -> None:
    """A tenant may be set for the whole host; a function that keeps nobody apart is sent none."""
    plain = await make_bench(tenant="house")
    await plain.run("1")
    assert "TenantId" not in plain.account.log.calls("Invoke")[0].input
    found = {finding.name: finding for finding in (await plain.adapter.check()).findings}
    assert "does not keep tenants apart" in found["python tenants"].reason
    assert "--tenant-isolation" in found["python tenants"].remedy
    _isolate(plain, found_here)
    bench = await make_bench(tenant="house")
    await bench.run("1", actor=Actor(id="anna"))
    assert bench.account.log.calls("Invoke")[-1].input["TenantId"] == "house"


async def test_a_qualifier(make_bench) -> None:
    """A version is looked at and invoked by the number that is set."""
    bench = await make_bench()
    bench.account.client("lambda").publish_version(FunctionName=f"{PREFIX}-python")
    pinned = await make_bench(qualifier="1")
    assert pinned.adapter.capabilities().languages == ("python",)
    assert "python3.11 1 " in re.sub(r"python3\.\d+", "python3.11", pinned.adapter.capabilities().version)
    assert (await pinned.run("2 + 2")).value == 4
    assert pinned.account.log.calls("Invoke")[-1].input["Qualifier"] == "1"


@pytest.mark.parametrize(
    ("setting", "value"),
    [("functions", []), ("timeout_s", 0), ("max_running", "many"), ("proof_every_s", 1.5), ("tenant", "a?b")],
)
async def test_wrong_settings(make_bench, setting, value) -> None:
    """A setting of the wrong kind is refused at start, by its name."""
    with pytest.raises(AdapterError, match=f"adapters.lambda.{setting}"):
        await make_bench(**{setting: value})


async def test_no_credential_is_told(make_bench, caplog, capsys) -> None:
    """Neither the caller's credentials nor those of the function's role are in a result, a message or a log."""
    bench = await make_bench()
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    told.append(repr(await bench.run("import os; result = dict(os.environ)")))
    for fault in (faults.denied(), faults.expired_credentials(), faults.internal(), faults.cut("after")):
        bench.account.fail("Invoke", fault, calls=[1])
        with pytest.raises(AdapterError) as caught:
            await bench.run("1")
        told.append(f"{caught.value!r} {caught.value.remedy} {caught.value.__cause__!r} {caught.value.__context__!r}")
    told += [repr(await bench.adapter.check()), repr(bench.adapter.capabilities())]
    identity = bench.account.identity
    logged = caplog.text + "".join(capsys.readouterr())
    everything = " ".join([*told, logged, bench.environment.output().decode(errors="replace")])
    for secret in (identity.secret_key, identity.token, identity.access_key, *CANARIES.values()):
        assert secret not in everything
    assert "lambda_ran" in logged


async def test_without_anything(found_here, monkeypatch, tmp_path) -> None:
    """Where no region and no credentials are set the adapter starts, serves nothing, and says what is missing."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    adapter = LambdaAdapter()
    assert not (await adapter.check()).ok
    await adapter.start(AdapterContext(settings={}, state_dir=found_here, owner="tests"))
    check = await adapter.check()
    assert not check.ok
    assert {finding.name for finding in check.findings if not finding.ok} == {
        "AWS region",
        "AWS credentials",
        "AWS Lambda",
    }
    assert adapter.capabilities().languages == ()
    assert adapter.accepts(ExecutionRequest(code="1"), Policy(name="p")).remedy
    with pytest.raises(AdapterError) as caught:
        await adapter.execute(ExecutionRequest(code="1"), Policy(name="p"), discard)
    assert not caught.value.may_have_started
    assert await adapter.reap(["somebody"]) == 0
    await adapter.aclose()


async def test_only_the_languages_that_are_asked_for(functions, found_here) -> None:
    """A host that was started for one language looks for the function of that one alone."""
    adapter = LambdaAdapter()
    await adapter.start(AdapterContext(settings={}, state_dir=found_here, owner="tests", languages=("bash",)))
    assert adapter.capabilities().languages == ("bash",)
    assert len(functions.account.log.calls("GetFunctionConfiguration")) == 1
    await adapter.aclose()


async def test_read_only_files(bench) -> None:
    """Under a policy that lets files in and none out, they are read and nothing is written."""
    code = "try:\n    open('b', 'w')\nexcept OSError as error:\n    result = [open('a').read(), type(error).__name__]"
    access = {"file_system_access": FileSystemAccess.READ_ONLY}
    result = await bench.run(code, files=(File(path="a", content=b"in"),), **access)
    assert (result.value, result.files) == (["in", "PermissionError"], ())
