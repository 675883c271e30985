"""CPython and monty side by side."""

import ast
import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pydantic_monty
import pytest
import pytest_asyncio

from adapters.monty.adapter import MontyAdapter
from host.interface import AdapterContext


class Both:
    """Runs a program in CPython and, past the adapter, in monty itself."""

    def __init__(self, pool) -> None:
        self._pool = pool

    def in_monty(self, code: str):
        """How it ended, its value or the name of its exception, and what it printed."""
        out = pydantic_monty.CollectString()
        limits = {"max_feed_duration_secs": 5, "max_memory": 128 << 20}
        with self._pool.checkout(assert_message_annotations=False, limits=limits) as session:
            try:
                return "value", repr(session.feed_run(code, print_callback=out)), out.output
            except pydantic_monty.MontyError as error:
                name = type(error.exception()).__name__
                return "raises", name, out.output

    def in_cpython(self, code: str):
        """The same in this interpreter. Only for programs of ours."""
        names = {"__name__": "__main__"}
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            try:
                tree = ast.parse(code)
                last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
                exec(compile(tree, "probe", "exec", dont_inherit=True), names)
                if last is None:
                    return "value", "None", out.getvalue()
                value = eval(compile(ast.Expression(last.value), "probe", "eval", dont_inherit=True), names)
                return "value", repr(value), out.getvalue()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - what a probe raises is what is compared
                return "raises", type(error).__name__, out.getvalue()


@pytest.fixture(scope="session")
def both() -> Iterator[Both]:
    """One pool for all probes."""
    with pydantic_monty.Monty(max_processes=1) as pool:
        yield Both(pool)


@pytest_asyncio.fixture
async def adapter(tmp_path: Path) -> AsyncIterator[MontyAdapter]:
    """A started adapter."""
    made = MontyAdapter()
    await made.start(AdapterContext(settings={"workers": 4}, state_dir=tmp_path, owner="test"))
    yield made
    await made.aclose()
