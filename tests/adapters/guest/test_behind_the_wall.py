"""JavaScript, TypeScript, Bash and Elixir inside the local wall, where there is no /proc, no /etc and little else."""

import asyncio
from decimal import Decimal

import pytest

from adapters.sandbox.adapter import SandboxAdapter
from host.interface import AdapterContext, discard
from host.models import ExecutionRequest, File, Status
from host.policy import Policy
from host.testing import missing

STRICT = Policy(name="strict", max_execution_time=20_000, max_cpu_time=20_000)
STANDARD = Policy(
    name="standard",
    max_execution_time=20_000,
    max_cpu_time=20_000,
    allowed_imports=None,
    file_system_access="sandboxed",
)

pytestmark = pytest.mark.needs("bwrap")


@pytest.fixture
async def run(tmp_path):
    """Runs code on the sandbox adapter."""
    adapter = SandboxAdapter()
    await adapter.start(AdapterContext(settings={}, state_dir=tmp_path, owner="test"))

    async def execute(language, code, policy=STRICT, **inputs):
        if language not in adapter.capabilities().languages:
            missing(f"{language} is not installed")
        files = (File(path="a.txt", content=b"from the file"),) if policy is STANDARD else ()
        request = ExecutionRequest(code=code, language=language, inputs=inputs, files=files)
        return await adapter.execute(request, policy, discard)

    yield execute
    await adapter.aclose()


async def test_typed_values_pass_the_wall(run):
    """A decimal goes in, is doubled exactly and comes out; Bash, which has none, hands on its text."""
    price = Decimal("1.10")
    assert (await run("javascript", "inputs.price.times(2)", price=price)).value == Decimal("2.20")
    assert (await run("typescript", "inputs.price.times(2) as any", price=price)).value == Decimal("2.20")
    assert (await run("bash", "result=${inputs[price]}", price=price)).value == "1.10"
    assert (await run("elixir", 'Decimal.mult(inputs["price"], 2)', price=price)).value == Decimal("2.20")


async def test_files_go_in_and_out(run):
    """Each language reads the request's file and leaves one of its own."""
    programs = {
        "javascript": "require('fs').writeFileSync('b.txt', Deno.readTextFileSync('a.txt'))",
        "typescript": "import fs from 'fs';\nfs.copyFileSync('a.txt', '/work/b.txt')",
        "bash": "cat a.txt > b.txt",
        "elixir": 'File.write!("b.txt", File.read!("a.txt"))',
    }
    for language, code in programs.items():
        result = await run(language, code, STANDARD)
        assert (result.status, [file.path for file in result.files]) == (Status.SUCCEEDED, ["b.txt"]), result.stderr
        assert result.files[0].content == b"from the file"


async def test_memory_is_the_walls_to_bound(run):
    """A program that hoards ends as out_of_memory, whichever limit its runtime has of its own."""
    programs = {
        "javascript": "const all = []; while (true) all.push(new Array(1000).fill(0.5))",
        "typescript": "const all: any[] = []; while (true) all.push(new Uint8Array(1e6).fill(1))",
        "bash": "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done",
        "elixir": 'defmodule H do\n  def hoard(all), do: hoard([:binary.copy("x", 1_000_000) | all])\nend\nH.hoard([])',
    }
    for language, code in programs.items():
        result = await run(language, code)
        assert result.status is Status.OUT_OF_MEMORY, (language, result.reason, result.stderr)


async def test_partial_output_survives_the_deadline(run):
    """What was printed before the deadline is kept."""
    policy = STRICT.model_copy(update={"max_execution_time": 3000})
    programs = {
        "javascript": "console.log('begun'); while (true);",
        "bash": "echo begun; while :; do :; done",
        "elixir": 'IO.puts("begun"); Process.sleep(:infinity)',
    }
    results = await asyncio.gather(*(run(language, code, policy) for language, code in programs.items()))
    assert [(each.status, each.stdout) for each in results] == [(Status.TIMED_OUT, "begun\n")] * len(programs)


async def test_node_modules_load_without_proc(run):
    """Node's modules load where there is no /proc, in which deno would look for itself."""
    policy = STRICT.model_copy(update={"allowed_imports": ("os", "crypto")})
    result = await run("javascript", "require('os').EOL + require('crypto').randomUUID().length", policy)
    assert result.value == "\n36", result.stderr
