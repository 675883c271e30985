"""Clients: made once for a service, made anew for new credentials, and silent about what they send."""

import asyncio
import logging

import pytest

from adapters.aws.errors import AwsError, Call
from adapters.aws.kinds import Phase
from adapters.aws_lambda.settings import LambdaSettings
from host.errors import AdapterError

STOP = (
    "bedrock-agentcore",
    "stop_code_interpreter_session",
    {"codeInterpreterIdentifier": "aws.codeinterpreter.v1", "sessionId": "01ABC"},
)


async def test_one_client_for_a_service(calls, server):
    """Calls that begin together share one client, and so one set of connections."""
    await asyncio.gather(*(calls.again(*STOP) for _ in range(8)))
    made = await calls.run(
        lambda ticket: (calls.clients.client("bedrock-agentcore"), calls.clients.client("bedrock-agentcore")),
        Call("bedrock", "bedrock-agentcore", "client", Phase.PROBING),
    )
    assert made[0] is made[1]
    config = made[0].meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.max_pool_connections >= 64
    assert config.tcp_keepalive


async def test_credentials_that_come_later_are_found(make_calls, server, monkeypatch, aws):
    """A host that began without credentials makes calls when there are some, without being started again."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("adapters.aws.clients._RENEW_S", 0.0)
    calls = make_calls()
    with pytest.raises(AwsError, match="No AWS credentials were found"):
        await calls.again(*STOP)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.secret)
    await calls.again(*STOP)
    assert len(server.seen) == 1


async def test_looking_anew_has_its_pace(make_calls, server, monkeypatch):
    """Credentials that are not there are not looked for at every call."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    calls = make_calls()
    clients = []
    for _ in range(2):
        with pytest.raises(AwsError):
            await calls.again(*STOP)
        clients.append(calls.clients.client("bedrock-agentcore"))
    assert clients[0] is clients[1]


async def test_no_debug_message_of_a_library(calls, server, caplog, aws):
    """With every logger at debug, no message holds the credentials or a signed header."""
    with caplog.at_level(logging.DEBUG):
        await calls.again(*STOP)
    assert not [record for record in caplog.records if record.name.startswith(("boto", "urllib3"))]
    assert not any(secret in caplog.text for secret in (aws.key_id, aws.secret, aws.token, "AWS4-HMAC"))


def test_settings():
    """Region, profile and number of runs are read from an adapter's table; what is wrong is named with its remedy."""
    assert LambdaSettings.read({"enabled": True, "region": "eu-west-1"}).region == "eu-west-1"
    for table, wanted in (
        ({"region": []}, r"adapters\.lambda\.region is wrong: Input should be a valid string\."),
        ({"max_running": 0}, r"adapters\.lambda\.max_running is wrong: Input should be greater than or equal to 1\."),
        ({"max_runing": 1}, r"adapters\.lambda\.max_runing is wrong: Extra inputs are not permitted"),
    ):
        with pytest.raises(AdapterError, match=wanted):
            LambdaSettings.read(table)
