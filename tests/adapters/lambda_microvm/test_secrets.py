"""Credentials and tokens stay where they belong, whatever goes wrong."""

import asyncio
import logging
import traceback

import pytest

from host.errors import AdapterError
from tests.adapters.lambda_microvm.rig import ran
from tests.emulators import faults

WRONG = {
    "well": None,
    "token": ("CreateMicrovmAuthToken", faults.denied),
    "start": ("RunMicrovm", faults.internal),
    "door": ("Endpoint", lambda: faults.cut("after")),
    "refused": ("Endpoint", lambda: faults.error("Forbidden", "No.", status=403)),
    "end": ("TerminateMicrovm", faults.internal),
}


@pytest.mark.parametrize("what", WRONG)
async def test_no_secret_is_told(rig, what, caplog, monkeypatch):
    """No log, message, remedy or traceback holds a key, a session token or the token of a door."""
    caplog.set_level(logging.DEBUG)
    tokens: list[str] = []
    make = rig.microvms.create_microvm_auth_token

    def noted(call):
        answer = make(call)
        tokens.append(answer["authToken"]["X-aws-proxy-auth"])
        return answer

    monkeypatch.setattr(rig.microvms, "create_microvm_auth_token", noted)
    monkeypatch.setattr("adapters.lambda_microvm.fleet._PATIENCE_S", 0.2)
    if WRONG[what]:
        operation, made = WRONG[what]
        rig.account.fail(
            operation, made(), when=None if operation != "Endpoint" else lambda given: given["method"] == "POST"
        )
    adapter = await rig.adapter()
    told = []
    try:
        told.append((await ran(adapter, "import os; print(dict(os.environ))")).model_dump_json())
    except AdapterError as error:
        told += [repr(error), str(error), error.remedy, "".join(traceback.format_exception(error))]
    await asyncio.sleep(0)
    told.append(caplog.text)
    told += [path.read_text() for path in rig.folder.rglob("*.json")]
    identity = rig.account.identity
    secrets = [identity.access_key, identity.secret_key, identity.token, *tokens]
    assert tokens or what in ("token", "start")
    for secret in secrets:
        assert not any(secret in text for text in told), what
    rig.account.faults.clear()


async def test_a_program_sees_no_token(rig):
    """A program finds neither credentials nor its door's token: not in its environment, not in that of the server."""
    adapter = await rig.adapter()
    code = """
import glob
seen = b""
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        seen += open(path, "rb").read()
    except OSError:
        pass
seen.decode(errors="replace")
"""
    result = await ran(adapter, code)
    identity = rig.account.identity
    for secret in (identity.access_key, identity.secret_key, identity.token):
        assert secret not in result.value
    assert "X-aws-proxy" not in result.value
