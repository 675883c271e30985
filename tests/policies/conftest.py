"""The shipped policies, and a door that closes behind each test."""

import inspect
from pathlib import Path

import pytest

from host.resources import config_folder
from policies.files import read_policies
from policies.validation import door


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The folder of the shipped policies."""
    return config_folder() / "policies"


@pytest.fixture(scope="session")
def named(shipped):
    """The shipped policies by name, ``trusted`` included."""
    return {policy.name: policy for policy in read_policies(shipped, None, allow_trusted=True)}


@pytest.fixture
async def validate(named):
    """Validates code as the plugin does: give it code, language and a policy or its name."""
    here = door()
    here._policies = named

    async def ask(code, language="python", policy="strict"):
        answer = here.validate(code, language, named[policy] if isinstance(policy, str) else policy)
        return await answer if inspect.isawaitable(answer) else answer

    yield ask
    await here.aclose()
