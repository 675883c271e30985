"""Fixtures for tests that speak to emulated AWS services.

A folder that wants them imports them in its conftest.py:

    from tests.emulators.fixtures import agentcore, emulate

    __all__ = ["agentcore", "emulate"]
"""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.emulators import agentcore as agentcore_service
from tests.emulators.account import Account
from tests.emulators.service import Service

__all__ = ["agentcore", "emulate", "only_emulated"]


def only_emulated(monkeypatch: pytest.MonkeyPatch, account: Account) -> None:
    """Point this process's boto3 at an account, and at nothing else that the operator may have set."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def emulate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Account]]:
    """Starts an account with the given services, to which the environment then points. Its end is the test's."""
    accounts: list[Account] = []

    def start(*services: Service, region: str = "us-east-1") -> Account:
        account = Account(*services, region=region).__enter__()
        accounts.append(account)
        only_emulated(monkeypatch, account)
        return account

    yield start
    for account in accounts:
        account.__exit__()
    assert [error for account in accounts for error in account.broken] == []


@pytest.fixture
def agentcore(emulate: Callable[..., Account]) -> Account:
    """An account with AgentCore's code interpreter, both planes, to which the environment points."""
    return emulate(*agentcore_service.services())
