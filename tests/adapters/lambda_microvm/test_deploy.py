"""``understudy deploy microvm``: the package, the role, the image."""

import asyncio
import hashlib
import io
import json
import os
import zipfile

import pytest
from typer.testing import CliRunner

from adapters.aws.calls import Calls
from adapters.aws.settings import AwsSettings
from adapters.lambda_microvm import package
from adapters.lambda_microvm.adapter import LambdaMicrovmAdapter
from adapters.lambda_microvm.cli import deploy_microvm
from adapters.lambda_microvm.deploy import DeployError, deploy
from adapters.lambda_microvm.plan import ROLE, Plan
from host.errors import UnderstudyError
from host.interface import AdapterContext
from tests.adapters.lambda_microvm.beside import Beside
from tests.adapters.lambda_microvm.rig import ran
from tests.emulators import faults
from tests.emulators.microvm_service import MicroVms

PLAN = Plan("understudy", "bucket", ("bash", "python"), 2048, "arm64")


@pytest.fixture
def microvms(emulate, monkeypatch):
    """Emulated MicroVMs without an image, and S3 and IAM beside them."""
    service = MicroVms()
    emulate(service)
    monkeypatch.setenv("AWS_CA_BUNDLE", os.fspath(service.ca))
    with Beside(service.objects) as beside:
        for name, value in beside.environment().items():
            monkeypatch.setenv(name, value)
        service.beside = beside
        yield service


@pytest.fixture
async def calls():
    """Calls of a command."""
    made = Calls("lambda_microvm", AwsSettings())
    yield made
    await made.aclose()


async def pause(seconds: float) -> None:
    """AWS works a thousand times quicker here."""
    await asyncio.sleep(seconds / 100)


async def deployed(calls, plan=PLAN):
    """What a deployment says."""
    said: list[str] = []
    return await deploy(calls, plan, said.append, pause), said


async def test_an_image_is_deployed_and_runs(microvms, calls, tmp_path):
    """One command makes role, package and image; a program runs in a MicroVM of it."""
    image, said = await deployed(calls)
    assert image.version == "1.0"
    assert any("is ready" in sentence for sentence in said)
    assert json.loads(microvms.beside.roles[ROLE]["trust"])["Statement"][0]["Principal"] == {
        "Service": "lambda.amazonaws.com"
    }
    allowed = json.loads(microvms.beside.roles[ROLE]["build"])
    assert {action for statement in allowed["Statement"] for action in statement["Action"]} == {
        "s3:GetObject",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    adapter = LambdaMicrovmAdapter()
    context = AdapterContext(settings={"image": image.arn}, state_dir=tmp_path, owner="tests")
    await adapter.start(context)
    try:
        result = await ran(adapter, "print('hi'); 6 * 7")
        assert (result.value, result.stdout) == (42, "hi\n")
        assert result.usage.priced.quantities["gb_seconds"] > 0
    finally:
        await adapter.aclose()


async def test_a_second_time_changes_nothing(microvms, calls):
    """What is there already is left as it is; other languages or more memory make a new version."""
    first, _ = await deployed(calls)
    again, said = await deployed(calls)
    assert (again.arn, again.version) == (first.arn, first.version)
    assert said == ["image understudy: up to date"]
    assert microvms.beside.actions == ["GetRole", "CreateRole", "PutRolePolicy"]
    more, _ = await deployed(calls, Plan("understudy", "bucket", ("python",), 4096, "arm64"))
    assert more.version == "2.0"
    created = microvms.account.log.calls("CreateMicrovmImage") + microvms.account.log.calls("UpdateMicrovmImage")
    assert len(created) == 2
    assert len({call.input["clientToken"] for call in created}) == 2
    assert all(call.input["hooks"]["microvmHooks"]["run"] == "ENABLED" for call in created)


async def test_a_role_of_ones_own(microvms, calls):
    """With a role that is named IAM is not asked at all."""
    arn = "arn:aws:iam::123456789012:role/mine"
    await deployed(calls, Plan("understudy", "bucket", ("python",), 2048, "arm64", role=arn))
    assert microvms.beside.actions == []
    (call,) = microvms.account.log.calls("CreateMicrovmImage")
    assert call.input["buildRoleArn"] == arn


async def test_a_role_that_is_too_new(microvms, calls):
    """A role that AWS cannot assume yet is waited for."""
    message = "The role defined for the image cannot be assumed by Lambda."
    microvms.account.fail("CreateMicrovmImage", faults.error("ValidationException", message), calls=[1, 2])
    image, _ = await deployed(calls)
    assert image.version == "1.0"
    tokens = [call.input["clientToken"] for call in microvms.account.log.calls("CreateMicrovmImage")]
    assert len(tokens) == 3


async def test_a_build_that_fails(microvms, calls, monkeypatch):
    """A build that fails is an error with AWS's reason and where the log is; a later one that works mends it."""
    with monkeypatch.context() as patch:
        patch.setattr(Plan, "zip", b"no zip file")
        patch.setattr(Plan, "sha256", "0" * 64)
        with pytest.raises(DeployError, match="ARCHIVE_INVALID") as raised:
            await deployed(calls, Plan("understudy", "bucket", ("python",), 2048, "arm64"))
        assert "/aws/lambda-microvms/understudy" in raised.value.remedy
    image, _ = await deployed(calls, Plan("understudy", "bucket", ("python",), 2048, "arm64"))
    assert image.version == "2.0"


async def test_a_build_that_takes_too_long(microvms, calls, monkeypatch):
    """A build that does not end is not waited for for ever."""
    monkeypatch.setattr("adapters.lambda_microvm.deploy._LONGEST_BUILD_S", 0.01)
    monkeypatch.setattr("adapters.lambda_microvm.deploy._LOOK_S", 0.001)
    monkeypatch.setattr(microvms, "_build", lambda version: None)
    with pytest.raises(DeployError, match="still building"):
        await deployed(calls)


async def test_a_bucket_that_is_not_there(microvms, calls):
    """A bucket that is not there is named, with what to do."""
    with pytest.raises(UnderstudyError, match="bucket elsewhere") as raised:
        await deployed(calls, Plan("understudy", "elsewhere", ("python",), 2048, "arm64"))
    assert "--bucket" in raised.value.remedy


async def test_what_may_not_be_done_is_named(microvms, calls):
    """A missing permission is named as IAM calls it."""
    microvms.account.fail("CreateMicrovmImage", faults.denied())
    with pytest.raises(UnderstudyError, match="lambda:CreateMicrovmImage"):
        await deployed(calls)


def test_the_package_is_the_same_each_time():
    """The same files make the same bytes; languages and memory make others; all of ours is in it."""
    first, second = (Plan("a", "b", ("python", "sql"), 2048, "arm64") for _ in range(2))
    assert first.zip == second.zip
    assert hashlib.sha256(first.zip).hexdigest() == first.sha256
    assert first.key.endswith(f"{first.sha256}.zip")
    assert Plan("a", "b", ("python", "sql"), 1024, "arm64").sha256 != first.sha256
    assert Plan("a", "b", ("python",), 2048, "arm64").sha256 != first.sha256
    with zipfile.ZipFile(io.BytesIO(first.zip)) as archive:
        names = set(archive.namelist())
        facts = json.loads(archive.read("understudy/package.json"))
        dockerfile = archive.read("Dockerfile").decode()
    assert facts == {"package": package.package_hash(), "memory_mb": 2048, "environment": "base"}
    assert {"Dockerfile", "understudy/server.py", "understudy/guest/runner/main.py"} <= names
    assert len(names) == len(package.files()) + 2
    assert "duckdb==" in dockerfile
    assert "deno==" not in dockerfile
    assert dockerfile.rstrip().endswith('CMD ["python3", "-I", "/opt/understudy/server.py"]')


def test_a_guest_environment_goes_into_the_image():
    """The packages of a guest environment are installed in their versions where the guest looks for them."""
    plan = Plan(
        "a", "b", ("python",), 2048, "arm64", environment="data", packages={"numpy": "2.1.0", "pandas": "2.2.3"}
    )
    with zipfile.ZipFile(io.BytesIO(plan.zip)) as archive:
        assert json.loads(archive.read("understudy/package.json"))["environment"] == "data"
        lines = archive.read("Dockerfile").decode().splitlines()
    (line,) = [line for line in lines if "numpy" in line]
    assert line.startswith("RUN pip install ")
    assert line.endswith("--target /opt/understudy/site numpy==2.1.0 pandas==2.2.3")


def test_what_is_inside_is_read_by_old_interpreters():
    """What runs in a MicroVM is Python of 3.9, and uses nothing but the standard library."""
    import ast

    for name in ("languages.py", "microvm.py", "server.py", "tenant.py"):
        ast.parse(package.files()[name], feature_version=(3, 9))


class TestCommand:
    """The command line."""

    @staticmethod
    def run(*arguments: str):
        """What it prints."""
        import typer

        app = typer.Typer()
        app.command()(deploy_microvm)
        return CliRunner().invoke(app, list(arguments))

    def test_a_dry_run_asks_nothing_of_aws(self, emulate, tmp_path):
        """With --dry-run it says what would be done, with the documents to paste, and calls nobody."""
        service = MicroVms()
        account = emulate(service)
        target = tmp_path / "package.zip"
        done = self.run("--dry-run", "--bucket", "mine", "--package", str(target))
        assert done.exit_code == 0, done.output
        assert "s3://mine/understudy/microvm/" in done.output
        assert "sts:AssumeRole" in done.output
        assert "s3:GetObject" in done.output
        assert zipfile.is_zipfile(target)
        said = json.loads(self.run("--dry-run", "--json").output)
        assert said["configuration"]["hooks"]["port"] == 8080
        assert said["dockerfile"].startswith("FROM ")
        assert account.log.calls() == []

    def test_it_deploys(self, microvms):
        """It deploys, and prints what the configuration has to say."""
        done = self.run("--bucket", "bucket", "--languages", "python")
        assert done.exit_code == 0, done.output
        assert 'image = "arn:aws:lambda:us-east-1:123456789012:microvm-image:understudy"' in done.output
        again = self.run("--bucket", "bucket", "--languages", "python", "--json")
        assert json.loads(again.output)["version"] == "1.0"

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("--dry-run", "--languages", "cobol"), "cobol"),
            (("--dry-run", "--memory", "3000"), "3000"),
            (("--dry-run", "--arch", "m68k"), "m68k"),
            ((), "--bucket"),
        ],
    )
    def test_what_it_does_not_take(self, arguments, word):
        """What cannot be is refused with what may be."""
        done = self.run(*arguments)
        assert done.exit_code == 2
        assert word in done.output

    def test_a_guest_environment_that_is_not_there(self):
        """A guest environment that this host has not got is named, with the command that adds it."""
        done = self.run("--dry-run", "--guest-environment", "nowhere")
        assert done.exit_code == 1
        assert "understudy guests add nowhere" in done.output

    def test_an_error_has_its_remedy(self, microvms):
        """An error leaves as a sentence with its remedy, or as JSON."""
        done = self.run("--bucket", "elsewhere")
        assert done.exit_code == 1
        assert "elsewhere" in done.output
        problem = json.loads(self.run("--bucket", "elsewhere", "--json").output)
        assert "--bucket" in problem["remedy"]
