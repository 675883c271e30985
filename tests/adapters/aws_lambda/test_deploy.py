"""``understudy deploy lambda``: what it writes, what it sets up, what it changes, and what it says where it cannot.

Lambda is emulated from its model; of IAM and S3 there is as much as the command uses (``beside.py``).
"""

import asyncio
import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from adapters.aws.calls import Calls
from adapters.aws.retries import Retries
from adapters.aws.settings import AwsSettings
from adapters.aws_lambda import deploy as deploying
from adapters.aws_lambda import package as packaging
from adapters.aws_lambda.cli import deploy_lambda
from adapters.aws_lambda.fits import usual_runtime
from adapters.aws_lambda.settings import PREFIX
from tests.adapters.aws_lambda.beside import Beside
from tests.emulators import faults
from tests.emulators.lambda_service import Lambda


@pytest.fixture
def account(emulate, monkeypatch, found_here, tmp_path) -> Iterator[Lambda]:
    """An empty account: Lambda, IAM and S3, to which the environment points."""
    service = Lambda(settling=1)
    emulate(service)
    service.beside = Beside(service.objects)
    for name in ("IAM", "S3"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", service.beside.url)
    monkeypatch.setenv("UNDERSTUDY_STATE_DIR", str(found_here))
    monkeypatch.setattr(deploying, "_PAUSES_S", (0,) * 20)
    monkeypatch.chdir(tmp_path)
    yield service
    service.beside.close()


def _command(*arguments: str) -> object:
    """The command, as the group ``deploy`` has it."""
    app = typer.Typer()
    app.command("lambda")(deploy_lambda)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["lambda", *arguments])


def _configuration(service: Lambda, language: str = "python") -> dict:
    return service.account.client("lambda").get_function_configuration(FunctionName=f"{PREFIX}-{language}")


def test_a_dry_run_asks_nothing(account) -> None:
    """A dry run writes packages and template, says what it would do, and makes no call."""
    done = _command("--dry-run", "--languages", "python,bash", "--region", "eu-west-1", "--reserved-concurrency", "5")
    assert done.exit_code == 0, done.output
    assert account.account.log.calls() == []
    assert account.beside.roles == {}
    written = sorted(path.name for path in Path("understudy-lambda").iterdir())
    assert [re.sub("[0-9a-f]{16}", "", name) for name in written] == [
        "template.json",
        f"{PREFIX}-bash-.zip",
        f"{PREFIX}-python-.zip",
    ]
    assert "eu-west-1, with a role without permissions; nothing is logged" in done.output
    assert f"{PREFIX}-python: {usual_runtime()} on x86_64, 1024 MB, 60 s, " in done.output
    assert "reserved concurrency 5" in done.output


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--tenant-isolation", "--reserved-concurrency", "7"),
        ("--role", "arn:aws:iam::123456789012:role/x", "--arch", "arm64"),
    ],
)
def test_the_template_passes_cfn_lint(account, options) -> None:
    """The CloudFormation template is valid by AWS's own schemas, whatever the options."""
    done = _command("--dry-run", "--languages", "python,bash", "--template", "out/stack.json", *options)
    assert done.exit_code == 0, done.output
    program = Path(sys.executable).with_name("cfn-lint")
    checked = subprocess.run(
        [program, "--regions", "us-east-1", "--", "out/stack.json"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_template_grants_nothing(account) -> None:
    """The role of the template has no policies, and the functions have neither network, variables nor layers."""
    _command("--dry-run", "--languages", "python", "--tenant-isolation")
    resources = json.loads(Path("understudy-lambda/template.json").read_text())["Resources"]
    role = resources["RunnerRole"]["Properties"]
    assert set(role) == {"Description", "AssumeRolePolicyDocument"}
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}
    function = resources["RunnerPython"]["Properties"]
    assert not {"VpcConfig", "Environment", "Layers", "FileSystemConfigs"} & set(function)
    assert function["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    key = function["Code"]["S3Key"]["Fn::Sub"].removeprefix("${CodePrefix}")
    assert (Path("understudy-lambda") / key).is_file()


def test_it_sets_up(account) -> None:
    """A first run makes the role and the functions; a second finds them up to date and changes nothing."""
    first = _command("--languages", "python,bash", "--memory", "512", "--timeout", "30", "--reserved-concurrency", "3")
    assert first.exit_code == 0, first.output
    assert f"{PREFIX}-python: created" in first.output
    assert "created, without permissions" in first.output
    (role,) = account.beside.roles.values()
    assert "Policy" not in "".join(set(role) - {"AssumeRolePolicyDocument"})
    said = _configuration(account)
    assert (said["MemorySize"], said["Timeout"], said["Runtime"]) == (512, 30, usual_runtime())
    assert "Environment" not in said
    client = account.account.client("lambda")
    assert client.get_function_concurrency(FunctionName=f"{PREFIX}-bash")["ReservedConcurrentExecutions"] == 3
    account.account.log.clear()
    second = _command("--languages", "python,bash", "--memory", "512", "--timeout", "30", "--reserved-concurrency", "3")
    assert second.output.splitlines() == [f"{PREFIX}-python: up to date", f"{PREFIX}-bash: up to date"]
    assert {call.operation for call in account.account.log.calls()} == {
        "GetFunctionConfiguration",
        "GetFunctionConcurrency",
    }


def test_it_brings_up_to_date(account) -> None:
    """What differs is changed, and only that: settings, code, reserved concurrency."""
    _command("--languages", "python")
    client = account.account.client("lambda")
    client.get_function_configuration(FunctionName=f"{PREFIX}-python")
    done = _command("--languages", "python", "--memory", "2048", "--reserved-concurrency", "1")
    assert done.output.splitlines() == [f"{PREFIX}-python: new MemorySize, reserved concurrency 1"]
    assert _configuration(account)["MemorySize"] == 2048
    sha = _configuration(account)["CodeSha256"]
    account._functions[f"{PREFIX}-python"].change_code(account._functions[f"{PREFIX}-python"].package + b"\0" * 22)
    assert _configuration(account)["CodeSha256"] != sha
    done = _command("--languages", "python", "--memory", "2048")
    assert done.output.splitlines() == [f"{PREFIX}-python: new code"]
    assert _configuration(account)["CodeSha256"] == sha


async def test_what_is_deployed_runs(account, found_here) -> None:
    """A function that the command has set up is one that the adapter finds, has the package of this host, and runs."""
    from adapters.aws_lambda.adapter import LambdaAdapter
    from host.interface import AdapterContext

    assert (await asyncio.to_thread(_command, "--languages", "python")).exit_code == 0
    _configuration(account)
    adapter = LambdaAdapter()
    await adapter.start(AdapterContext(settings={}, state_dir=found_here, owner="tests"))
    check = await adapter.check()
    assert check.ok, check
    found = {finding.name: finding for finding in check.findings}
    assert found["python package"].ok
    assert found["python program"].ok
    await adapter.aclose()


def test_a_new_role_takes_a_while(account) -> None:
    """Lambda does not know a new role at once; the command tries again until it does."""
    message = "The role defined for the function cannot be assumed by Lambda."
    account.account.fail("CreateFunction", faults.error("InvalidParameterValueException", message), calls=[1, 2])
    done = _command("--languages", "python")
    assert done.exit_code == 0, done.output
    assert len(account.account.log.calls("CreateFunction")) == 3


def test_a_role_that_is_never_known(account) -> None:
    """Where it never does, the command says so."""
    message = "The role defined for the function cannot be assumed by Lambda."
    account.account.fail("CreateFunction", faults.error("InvalidParameterValueException", message))
    done = _command("--languages", "python")
    assert done.exit_code == 1
    assert "cannot use the role" in done.stderr


def test_a_role_of_ones_own(account) -> None:
    """A role that is named is used as it is, and IAM is not asked."""
    role = "arn:aws:iam::123456789012:role/mine"
    assert _command("--languages", "python", "--role", role).exit_code == 0
    assert _configuration(account)["Role"] == role
    assert account.beside.roles == {}
    other = "arn:aws:iam::123456789012:role/other"
    assert "new Role" in _command("--languages", "python", "--role", other).output


def test_a_package_through_s3(account) -> None:
    """With a bucket the package goes through it, under a name that its content gives it."""
    assert _command("--languages", "python", "--bucket", "packages").exit_code == 0
    ((address, content),) = account.objects.items()
    digest = hashlib.sha256(content)
    assert address == f"s3://packages/{PREFIX}-python-{digest.hexdigest()[:16]}.zip"
    assert _configuration(account)["CodeSha256"] == base64.b64encode(digest.digest()).decode()
    done = _command("--languages", "bash", "--bucket", "nowhere")
    assert done.exit_code == 1
    assert "the bucket nowhere" in done.stderr


def test_a_large_package_needs_a_bucket(account, monkeypatch) -> None:
    """A package that no call takes is not tried; the remedy is a bucket."""
    monkeypatch.setattr("adapters.aws_lambda.plan.MOST_ZIPPED_BYTES", 1000)
    done = _command("--languages", "python")
    assert done.exit_code == 1
    assert "--bucket" in done.stderr
    assert account.account.log.calls() == []
    monkeypatch.setattr(packaging, "MOST_UNZIPPED_BYTES", 1000)
    done = _command("--languages", "python", "--bucket", "packages")
    assert "Lambda takes 999" in done.stderr


def test_tenant_isolation_is_for_ever(account) -> None:
    """Lambda sets tenant isolation when a function is made; the command says how to change it later."""
    assert _command("--languages", "python", "--tenant-isolation").exit_code == 0
    assert _configuration(account)["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    done = _command("--languages", "python")
    assert done.exit_code == 1
    assert "delete-function" in done.stderr
    assert _command("--languages", "python", "--tenant-isolation").output.endswith("up to date\n")


def test_what_is_denied_is_named(account) -> None:
    """The missing action is named, of Lambda as of IAM."""
    account.beside.denied.add("CreateRole")
    done = _command("--languages", "python")
    assert done.exit_code == 1
    assert "iam:CreateRole" in done.stderr
    account.beside.denied.clear()
    account.account.fail("CreateFunction", faults.denied(), calls=[1])
    assert "lambda:CreateFunction" in _command("--languages", "python").stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--languages", "elixir"), "there is no package for elixir"),
        (("--runtime", "nodejs24.x"), "the runner does not run on nodejs24.x"),
        (("--arch", "riscv"), "there is no processor riscv"),
    ],
)
def test_what_cannot_be(account, options, says) -> None:
    """An option that makes no sense is refused before anything is made."""
    done = _command(*options)
    assert done.exit_code == 2
    assert says in done.output


def test_a_language_that_does_not_fit(account) -> None:
    """A language whose package was made for another processor is left out; asked for, it is an error."""
    done = _command("--dry-run", "--languages", "javascript", "--arch", "arm64")
    assert done.exit_code == 1
    assert "javascript: left out" in done.stderr
    assert "the function is for arm64" in done.stderr


async def test_a_function_that_fails_to_come_up(account) -> None:
    """A function that Lambda could not set up is an error with Lambda's reason."""
    calls = Calls("lambda", AwsSettings(), Retries(first_wait_s=0.001, longest_wait_s=0.002))
    failed = {"State": "Failed", "StateReason": "The image is gone", "FunctionName": "x"}
    account.get_function_configuration = lambda call: failed
    state = deploying._Deployed(calls, _no_plan(), _NoFunction, "", str, _no_pause)
    with pytest.raises(deploying.DeployError, match="The image is gone"):
        await state._settled()
    account.get_function_configuration = lambda call: {**failed, "State": "Pending"}
    with pytest.raises(deploying.DeployError, match="still changing"):
        await state._settled()
    await calls.aclose()


class _NoFunction:
    name = "x"


def _no_plan() -> object:
    from adapters.aws_lambda.plan import Plan

    return Plan((), {})


async def _no_pause(_: float) -> None:
    """Wait for nothing."""
