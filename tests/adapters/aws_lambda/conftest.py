"""An emulated Lambda with the real packages of Python and Bash, and the adapter on it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.aws_lambda.adapter import LambdaAdapter
from host.interface import AdapterContext, DisplayEvent, OutputEvent
from host.models import ExecutionRequest, ExecutionResult
from host.policy import FileSystemAccess, Policy
from tests.adapters.aws_lambda.packages import PREFIX, changed, deploy, zipped
from tests.emulators.account import Account
from tests.emulators.fixtures import emulate  # noqa: F401
from tests.emulators.lambda_pool import Pool
from tests.emulators.lambda_runtime import Environment
from tests.emulators.lambda_service import Lambda

POLICY = Policy(
    name="test",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=20_000,
    max_cpu_time=20_000,
    max_file_bytes=4 << 20,
    max_files=64,
)


@pytest.fixture(scope="session")
def found_here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which runtimes are looked for once."""
    return tmp_path_factory.mktemp("lambda")


@pytest.fixture
def functions(emulate: Callable[..., Account], found_here: Path) -> Lambda:  # noqa: F811
    """An emulated Lambda with the functions of Python and Bash, to which the environment points."""
    service = Lambda()
    emulate(service)
    deploy(service, found_here, ("python", "bash"))
    return service


@dataclass
class Bench:
    """A started adapter, and the service that it uses.

    Attributes:
        events: what its runs emitted.
    """

    adapter: LambdaAdapter
    service: Lambda
    events: list[OutputEvent | DisplayEvent] = field(default_factory=list)

    @property
    def account(self) -> Account:
        """The account that the service is of."""
        return self.service.account

    def pool(self, language: str = "python") -> Pool:
        """The execution environments of a language."""
        return self.service.pool(f"{PREFIX}-{language}")

    @property
    def environment(self) -> Environment:
        """The one execution environment of Python."""
        (only,) = self.pool().environments
        return only

    def policy(self, **limits: Any) -> Policy:
        """The tests' policy with other values in some fields."""
        return Policy.model_validate({**POLICY.model_dump(), **limits})

    async def run(self, code: str, language: str = "python", **more: Any) -> ExecutionResult:
        """Run one program. A field of a policy changes the tests' policy, anything else goes into the request."""
        limits = {name: more.pop(name) for name in list(more) if name in Policy.model_fields}
        request, policy = ExecutionRequest(code=code, language=language, **more), self.policy(**limits)
        refusal = self.adapter.accepts(request, policy)
        assert refusal is None, refusal
        return await self.adapter.execute(request, policy, self.events.append)


@pytest_asyncio.fixture
async def make_bench(functions: Lambda, found_here: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts adapters on the service, with settings of their own; they are closed at the end."""
    started: list[LambdaAdapter] = []

    async def make(**settings: Any) -> Bench:
        adapter = LambdaAdapter()
        await adapter.start(AdapterContext(settings=settings, state_dir=found_here, owner="tests"))
        started.append(adapter)
        return Bench(adapter, functions)

    yield make
    for adapter in started:
        await adapter.aclose()


@pytest.fixture(params=["as the kernel is", "without Landlock"])
def domain(request: pytest.FixtureRequest, functions: Lambda, found_here: Path) -> None:
    """Functions with and without a domain of Landlock around the programs."""
    if request.param == "without Landlock":
        package = changed(zipped("python", found_here), "domain", "\n\ndef version() -> int:\n    return 0\n")
        client = functions.account.client("lambda")
        client.update_function_code(FunctionName=f"{PREFIX}-python", ZipFile=package)


@pytest_asyncio.fixture
async def bench(make_bench: Callable[..., Any]) -> Bench:
    """An adapter with the usual settings."""
    return await make_bench()
