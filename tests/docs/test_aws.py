"""docs/aws.md, followed step by step as far as no account is needed: its commands and its configuration, as they stand.

What answers is emulated: Lambda, MicroVMs and AgentCore as in the adapters' own tests, with IAM and S3 beside them.
"""

import contextlib
import os
import re

import pytest

from host.testing import missing
from tests.adapters.aws_lambda.beside import Beside
from tests.adapters.bedrock.emulated import region
from tests.adapters.lambda_microvm.beside import Beside as BesideMicrovms
from tests.docs.follow import Reader, blocks, section
from tests.emulators.account import Account
from tests.emulators.lambda_service import Lambda
from tests.emulators.microvm_service import MicroVms

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
PAGE = "aws.md"


def _steps(adapter: str) -> str:
    """How it is set up, in the one region that is emulated."""
    return re.sub(r"\b(eu|us)-(west|central|east)-1\b", "us-east-1", section(PAGE, adapter, "Set it up"))


def test_lambda(tmp_path):
    """A dry run, a deployment, the configuration, and a program runs in the function that was made."""
    dry, deploy = blocks(_steps("Lambda"))[0].splitlines()
    (table,) = blocks(_steps("Lambda"), "toml")
    service = Lambda()
    with Account(service) as account, contextlib.closing(Beside(service.objects)) as beside:
        roles = {f"AWS_ENDPOINT_URL_{name}": beside.url for name in ("IAM", "S3")}
        reader = Reader(tmp_path, {**account.environment(), **roles})
        reader.does(dry)
        assert (tmp_path / "understudy-lambda" / "template.json").is_file()
        assert account.log.calls() == []
        assert "understudy-runner-python" in reader.does(deploy, "--languages", "python,bash")
        reader.configure(table)
        assert "ok  lambda: " in reader.does("understudy doctor")
        assert reader.computes("understudy run -c '6 * 7' --adapter lambda") == 42


def test_microvms(tmp_path):
    """A dry run, a deployment that prints the configuration, that of the page, and a program runs in a MicroVM."""
    dry, deploy = blocks(_steps("Lambda MicroVMs"))[0].splitlines()
    (table,) = blocks(_steps("Lambda MicroVMs"), "toml")
    service = MicroVms()
    with Account(service) as account, BesideMicrovms(service.objects) as beside:
        reader = Reader(
            tmp_path, {**account.environment(), **beside.environment(), "AWS_CA_BUNDLE": os.fspath(service.ca)}
        )
        reader.does(dry)
        assert account.log.calls() == []
        printed = reader.does(deploy.replace("MY-BUCKET", "bucket"), "--languages", "python")
        image = re.search(r'^image = "[^"]+"', table, flags=re.M)[0]
        assert image in printed
        reader.configure(table)
        assert "ok  lambda_microvm: " in reader.does("understudy doctor")
        assert reader.computes("understudy run -c '6 * 7' --adapter lambda_microvm") == 42


def test_bedrock(tmp_path):
    """The configuration, and a program runs in a session of AWS's own interpreter."""
    try:
        variables = region().environment
    except Exception as error:  # noqa: BLE001 - whatever is missing
        missing(str(error))
    (table,) = blocks(_steps("Bedrock AgentCore"), "toml")
    reader = Reader(tmp_path, variables)
    reader.configure(table)
    assert "ok  bedrock: " in reader.does("understudy doctor")
    assert reader.computes("understudy run -c '6 * 7' --adapter bedrock") == 42
