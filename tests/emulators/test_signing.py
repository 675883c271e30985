"""Signatures are verified as AWS verifies them, and refused by the names that AWS has."""

from datetime import UTC, datetime, timedelta

import botocore.auth
import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from tests.emulators.account import Account
from tests.emulators.raw import sent
from tests.emulators.service import Call, Service, ServiceError
from tests.emulators.signing import Identity

FUNCTION = {"FunctionName": "f"}


class Functions(Service):
    """A little of Lambda."""

    name = "lambda"

    def invoke(self, call: Call) -> dict:
        """Nothing."""
        return {"StatusCode": 202}

    def get_function(self, call: Call) -> dict:
        """There is none."""
        raise ServiceError("ResourceNotFoundException", "There is none.")


@pytest.fixture
def account():
    """An account of its own for each test."""
    with Account(Functions()) as account:
        yield account
    assert account.broken == []


@pytest.fixture
def functions(account):
    """Lambda, by a client that tries once."""
    return account.client("lambda", retries={"total_max_attempts": 1})


def _refused(client):
    with pytest.raises(ClientError) as caught:
        client.get_function(**FUNCTION)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"secret_key": "another"}, "InvalidSignatureException"),
        ({"access_key": "AKIDNOBODY"}, "UnrecognizedClientException"),
        ({"token": "another"}, "UnrecognizedClientException"),
        ({"token": None}, "UnrecognizedClientException"),
    ],
)
def test_credentials_are_verified(account, changed, code):
    """A wrong secret, an unknown key and a wrong or absent session token are told apart as AWS does."""
    who = account.identity
    given = {"access_key": who.access_key, "secret_key": who.secret_key, "token": who.token, **changed}
    assert _refused(account.client("lambda", Identity(**given, arn=""))) == code
    (call,) = account.log.calls("GetFunction")
    assert (call.input, call.executed, call.code) == (None, False, code)


def test_no_signature(account):
    """A request that nobody signed is refused."""
    assert _refused(account.client("lambda", signature_version=UNSIGNED)) == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("minutes", [-16, 16])
def test_old_signatures(account, functions, monkeypatch, minutes):
    """A signature is good for 15 minutes before and after its date."""
    date = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: date)
    assert _refused(functions) == "InvalidSignatureException"
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: date - timedelta(minutes=minutes / 8))
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function(**FUNCTION)


def test_the_region_is_signed(account):
    """A signature for another region is refused."""
    account.region, right = "eu-west-1", account.region
    client = account.client("lambda")
    account.region = right
    assert _refused(client) == "InvalidSignatureException"


def test_the_body_is_signed(account):
    """A body that was changed on its way breaks the signature; the one that was signed is taken."""
    path = "/2015-03-31/functions/f/invocations"
    assert sent(account, "POST", path, b'{"a": 1}')[0] == 202
    status, headers, _ = sent(account, "POST", path, b'{"a": 1}', instead=b'{"a": 2}')
    assert (status, headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


def test_expired_credentials(account, functions):
    """The account's identity may expire at any time, and be renewed."""
    account.identity.expired = True
    assert _refused(functions) == "ExpiredTokenException"
    account.identity.expired = False
    functions.invoke(**FUNCTION)
