"""AWS's Lambda runtime interface emulator, as the product's tests use it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.emulators.lambda_package import zip_of
from tests.emulators.lambda_service import Lambda
from tests.emulators.rie import Rie

ROOT = Path(__file__).resolve().parents[2]
HANDLER = """
import os, time

def handle(event, context):
    if event == "raise":
        raise LookupError("not here")
    if event == "slow":
        time.sleep(60)
    if event == "exit":
        os._exit(3)
    if event == "killed":
        os.kill(os.getpid(), 9)
    if event == "large":
        return "x" * 7_000_000
    open("/tmp/seen", "a").write("x")
    return {"event": event, "pid": os.getpid(), "id": context.aws_request_id, "folder": os.getcwd()}
"""


@pytest.mark.engine
def test_a_function_answers_under_the_genuine_emulator():
    """The real emulator runs a deployment package, keeps its process for the next invocation, and passes errors on."""
    with Rie(zip_of({"handler.py": HANDLER}), "handler.handle", timeout_s=20) as rie:
        first, second = rie.invoke({"n": "é"}), rie.invoke(2)
        assert first["event"] == {"n": "é"}
        assert first["folder"] == "/var/task"
        assert first["pid"] == second["pid"]
        assert first["id"] != second["id"]
        assert (rie.temporary / "seen").read_text() == "xx"
        assert rie.processes()[0].name.startswith("aws-lambda-rie")


@pytest.mark.engine
@pytest.mark.parametrize("event", ["raise", "exit", "killed", "large"])
def test_the_genuine_emulator_and_ours_agree(emulate, event):
    """However an invocation fails, the emulator of the tests answers what the genuine one does."""
    package = zip_of({"handler.py": HANDLER})
    with Rie(package, "handler.handle") as rie:
        genuine = rie.invoke(event)
    service = Lambda()
    client = emulate(service).client("lambda")
    service.add("function", package, "handler.handle")
    answer = client.invoke(FunctionName="function", Payload=json.dumps(event))
    assert answer["FunctionError"] == "Unhandled"
    ours = json.loads(answer["Payload"].read())
    assert genuine.keys() == ours.keys()
    for told in (genuine, ours):
        told["errorMessage"] = re.sub("RequestId: [0-9a-f-]{36} ", "", told["errorMessage"])
        told.pop("requestId", None)
    assert genuine == ours


@pytest.mark.engine
def test_a_timeout_under_the_genuine_emulator():
    """A function that takes too long is killed, which the emulator says in words alone; the next invocation works."""
    with Rie(zip_of({"handler.py": HANDLER}), "handler.handle", timeout_s=1) as rie:
        with pytest.raises(RuntimeError, match=r"Task timed out after 1\.00 seconds"):
            rie.invoke("slow")
        assert rie.invoke(1)["event"] == 1


def test_the_wheel_is_pinned():
    """The emulator comes from a wheel that is pinned by its hash, with no registry's address."""
    lines = (ROOT / "requirements" / "rie.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert pinned[0].startswith("aws-sam-cli==")
    assert pinned[1].strip().startswith("--hash=sha256:")
    assert "://" not in "".join(lines)


def test_without_a_package_index(tmp_path):
    """Where the wheel can't be had, scripts/rie says what it wanted and what follows, and leaves nothing half done."""
    checkout = tmp_path / "checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\necho 'ERROR: no matching distribution' >&2\nexit 1\n")
    python.chmod(0o755)
    shutil.copytree(ROOT / "requirements", checkout / "requirements")
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    done = subprocess.run([checkout / "scripts" / "rie"], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 1
    assert "requirements/rie.txt could not be downloaded" in done.stderr
    assert not (checkout / ".venv" / "rie").exists()
