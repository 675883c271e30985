"""Swapping adapters by configuration alone: one program, one JSON of inputs, the same answer from each that runs code.

The cloud's services are emulated; the adapters, their packages and the guests in them are the real ones. Needs a
container engine.
"""

import difflib
import json
import os
import tempfile
from pathlib import Path

import pytest

from adapters.container.settings import ContainerSettings
from host import ExecutionRequest, build_host, load_settings
from host.errors import AdapterError
from host.testing import missing
from tests.adapters.aws_lambda.packages import deploy
from tests.adapters.container.every_image import build_all
from tests.adapters.lambda_microvm.rig import Built, add_image
from tests.emulators import agentcore
from tests.emulators.account import Account
from tests.emulators.fixtures import only_emulated
from tests.emulators.lambda_service import Lambda
from tests.emulators.microvm_service import MicroVms

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

ADAPTERS = ("monty", "sandbox", "container", "lambda", "lambda_microvm", "bedrock")
PROGRAM = """
lines = [f"{item['name']}: {item['price'] * item['count']}" for item in items]
for line in lines:
    print(line)
total = sum(item["price"] * item["count"] for item in items)
result = {
    "total": total,
    "discounted": total - total * percent // 100,
    "names": sorted(item["name"] for item in items),
    "dearest": max(item["price"] for item in items),
    "any": total > 1000,
    "nothing": None,
    "ratio": percent / 8,
}
"""
INPUTS = json.dumps(
    {
        "percent": 12,
        "items": [
            {"name": "chair", "price": 120, "count": 4},
            {"name": "désk", "price": 480, "count": 1},
            {"name": "lamp 💡", "price": 35, "count": 12},
        ],
    }
)


@pytest.fixture(scope="module")
def cloud():
    """An account with all three services, to which the environment points."""
    patch = pytest.MonkeyPatch()
    microvms, functions = MicroVms(), Lambda()
    with (
        tempfile.TemporaryDirectory(prefix="swap-") as name,
        Account(functions, microvms, *agentcore.services()) as account,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "image").mkdir()
        only_emulated(patch, account)
        patch.setenv("AWS_CA_BUNDLE", os.fspath(microvms.ca))
        deploy(functions, folder / "state", ("python",))
        add_image(microvms, Built(folder / "image"))
        yield account
        patch.undo()


async def answer(adapter: str, state_dir: Path) -> dict:
    """What the host answers when its configuration prefers this adapter, and nothing else is different."""
    configuration = {
        "state_dir": str(state_dir / adapter),
        "plugins.entry_points": False,
        "adapters.prefer": (adapter,),
        f"adapters.{adapter}.enabled": True,
    }
    request = ExecutionRequest.model_validate_json(
        json.dumps({"code": PROGRAM, "language": "python", "inputs": json.loads(INPUTS), "policy": "standard"})
    )
    async with build_host(load_settings(environ={}, overrides=configuration)) as host:
        result = await host.execute(request)
    assert result.adapter == adapter, result.explain
    return result.model_dump(mode="json", include={"status", "value", "value_type", "stdout", "stderr", "exit_code"})


async def test_six_adapters_give_one_answer(cloud, tmp_path) -> None:
    """Value, its type, output and status are the same to the letter on the six adapters that run code."""
    try:
        await build_all(ContainerSettings())
    except AdapterError as error:
        missing(f'{error}; `eval "$(scripts/engine start)"` starts an engine')
    answers = {name: await answer(name, tmp_path) for name in ADAPTERS}
    first = answers["sandbox"]
    assert (first["status"], first["value"]["total"], first["stdout"][:11]) == ("succeeded", 1380, "chair: 480\n")
    differences = [line for name in ADAPTERS for line in _difference(name, first, answers[name])]
    assert differences == []


def _difference(name: str, wanted: dict, seen: dict) -> list[str]:
    """Where an answer is another than the local wall's; monty has no process and so no exit code."""
    if name == "monty":
        wanted = {**wanted, "exit_code": seen["exit_code"]}
    lines = [json.dumps(each, indent=1, ensure_ascii=False, sort_keys=True).splitlines() for each in (wanted, seen)]
    return list(difflib.unified_diff(*lines, fromfile="sandbox", tofile=name, lineterm=""))
