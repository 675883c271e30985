"""The readiness probe: what it finds, what it names as the remedy, and when it runs a program, which costs money."""

import asyncio
import json

import pytest

from adapters.aws_lambda import checks
from adapters.aws_lambda.functions import described
from adapters.aws_lambda.inside import domain
from host.interface import CheckResult, Finding
from host.models import ExecutionRequest
from tests.adapters.aws_lambda.packages import PREFIX, changed, zipped
from tests.emulators import faults
from tests.emulators.lambda_package import zip_of


def _named(check: CheckResult) -> dict[str, Finding]:
    return {finding.name: finding for finding in check.findings}


def _invocations(bench) -> int:
    return len(bench.account.log.calls("Invoke"))


async def test_all_is_well(bench) -> None:
    """Region, credentials, functions, packages and a program in each language; what is not set up has its command."""
    check = await bench.adapter.check()
    assert check.ok
    assert "bash, python" in check.reason
    found = _named(check)
    assert {name for name, finding in found.items() if not finding.ok} == {"sql", "javascript", "typescript"}
    assert "understudy deploy lambda --languages sql" in found["sql"].remedy
    assert "1024 MB, 60 s" in found["python"].reason
    assert found["python package"].reason.endswith("is this host's")
    assert found["python program"].reason.startswith("ran; ")
    assert all(finding.ok or finding.remedy for finding in check.findings)


async def test_it_proves_once(make_bench) -> None:
    """Each function is proved once, also by several checks at one time, and again when the time for it has come."""
    bench = await make_bench()
    assert all(check.ok for check in await asyncio.gather(*(bench.adapter.check() for _ in range(3))))
    assert _invocations(bench) == 2
    assert (await bench.adapter.check()).ok
    assert _invocations(bench) == 2
    clock = checks.time.monotonic
    try:
        checks.time.monotonic = lambda: clock() + 3601
        assert (await bench.adapter.check()).ok
    finally:
        checks.time.monotonic = clock
    assert _invocations(bench) == 4


async def test_it_says_what_the_kernel_has(bench, found_here) -> None:
    """Whether Lambda's kernel has Landlock is seen when a program runs, and told."""
    package = changed(zipped("bash", found_here), "domain", "\n\ndef version() -> int:\n    return 0\n")
    bench.account.client("lambda").update_function_code(FunctionName=f"{PREFIX}-bash", ZipFile=package)
    found = _named(await bench.adapter.check())
    assert found["bash program"].reason == "ran; its kernel has no Landlock"
    if domain.version():
        assert found["python program"].reason == f"ran; Landlock {domain.version()} keeps programs to themselves"


async def test_a_run_is_a_proof(bench) -> None:
    """A program that somebody ran proves the function as well as one of the check's own."""
    await bench.run("1")
    await bench.adapter.check()
    assert _invocations(bench) == 2  # that one, and the check's in Bash


async def test_new_code_is_proved_anew(bench) -> None:
    """A function that has other code is another function."""
    await bench.adapter.check()
    name = f"{PREFIX}-python"
    package = bench.service._functions[name].package
    bench.service._functions[name].change_code(package + b"\0" * 22)
    before = _invocations(bench)
    await bench.adapter.check()
    assert _invocations(bench) == before + 1


async def test_an_old_package(bench) -> None:
    """A package that is not this host's is found bad, with the command that mends it; what runs still serves."""
    bench.account.client("lambda").update_function_configuration(
        FunctionName=f"{PREFIX}-python", Description=described("python", "0" * 16, "base")
    )
    check = await bench.adapter.check()
    package = _named(check)["python package"]
    assert check.ok
    assert (package.ok, package.remedy) == (False, "understudy deploy lambda")
    assert "0000000000000000" in package.reason


async def test_somebody_elses_function(bench) -> None:
    """A function by that name that is none of ours is named as such, and serves nothing: its proof fails."""
    client = bench.account.client("lambda")
    name = f"{PREFIX}-python"
    client.update_function_configuration(FunctionName=name, Description="mine")
    client.update_function_code(FunctionName=name, ZipFile=zip_of({"handler.py": "def handle(e, c): return 'hello'"}))
    check = await bench.adapter.check()
    found = _named(check)
    assert "has not" not in found["python package"].reason
    assert not found["python package"].ok
    assert not found["python program"].ok
    assert check.reason.endswith("languages: bash")


@pytest.mark.parametrize("operation", ["GetFunctionConfiguration", "Invoke"])
async def test_what_is_denied(bench, operation) -> None:
    """Where IAM denies something, the finding names the action and has the policy to paste."""
    bench.account.fail(operation, faults.denied())
    check = await bench.adapter.check()
    assert not check.ok
    action = {"Invoke": "lambda:InvokeFunction"}.get(operation, f"lambda:{operation}")
    finding = next(each for each in check.findings if not each.ok and action in each.reason)
    if operation == "GetFunctionConfiguration":
        assert bench.adapter.capabilities().languages == ()
    document = json.loads(finding.remedy[finding.remedy.index("{") :])
    (statement,) = document["Statement"]
    assert action in statement["Action"]
    assert f"arn:aws:lambda:us-east-1:*:function:{PREFIX}-*" in statement["Resource"]


async def test_credentials_that_are_gone(bench) -> None:
    """Credentials that AWS does not take any more make it unready, and say so once and not for every language."""
    bench.account.identity.expired = True
    check = await bench.adapter.check()
    assert not check.ok
    assert [finding.name for finding in check.findings if not finding.ok] == ["AWS Lambda"]
    assert "expired" in check.reason
    bench.account.identity.expired = False
    assert (await bench.adapter.check()).ok
    assert bench.adapter.capabilities().languages == ("bash", "python")


async def test_a_function_that_is_broken(bench) -> None:
    """A function that Lambda itself calls failed is not used, with Lambda's reason."""
    function = bench.service._functions[f"{PREFIX}-python"]
    function.latest.configuration |= {"State": "Failed", "StateReason": "The key is gone."}
    await bench.adapter.check()
    refusal = bench.adapter.accepts(ExecutionRequest(code="1"), bench.policy())
    assert "Failed: The key is gone." in refusal.reason


async def test_a_deployment_while_it_runs(bench) -> None:
    """A function that is set up later is found by the next check."""
    client = bench.account.client("lambda")
    client.delete_function(FunctionName=f"{PREFIX}-bash")
    await bench.adapter.check()
    assert bench.adapter.capabilities().languages == ("python",)
    client.delete_function(FunctionName=f"{PREFIX}-python")
    check = await bench.adapter.check()
    assert not check.ok
    assert "understudy deploy lambda" in check.remedy
