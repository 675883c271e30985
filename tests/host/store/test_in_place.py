"""Short rows are written on the event loop's own thread, without ever making it wait, and as safely as any."""

import asyncio
import sqlite3

import pytest

from host.errors import DuplicateExecution, StoreError
from host.models import Status, Usage
from host.store import open_store


@pytest.fixture
def traced(store):
    """The statements that the connection in place runs."""
    statements = []
    store._in_place._connection.set_trace_callback(statements.append)
    return statements


@pytest.fixture
async def several(store, policy, request_of):
    """So many executions under way that rows wait for each other."""
    for _ in range(4):
        await store.begin(request_of(), policy, owner="others")


def at_once(coroutine):
    """What a coroutine gives that never waits."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


async def test_a_short_row_waits_for_nothing(store, state_dir, policy, request_of, result_of):
    """A lone execution's intent and end are committed before begin and finish return, in the same turn of the loop."""
    request = request_of()
    other = sqlite3.connect(state_dir / "understudy.db")
    at_once(store.begin(request, policy, owner="me"))
    assert other.execute("SELECT id, status FROM executions").fetchall() == [(request.id, None)]
    assert at_once(store.finish(request, policy, result_of(request)))
    assert other.execute("SELECT id, status FROM executions").fetchall() == [(request.id, "succeeded")]
    other.close()


async def test_rows_of_one_turn_share_a_transaction(store, traced, several, policy, request_of):
    """Twenty executions that begin at the same moment take one transaction."""
    del traced[:]
    await asyncio.gather(*(store.begin(request_of(), policy, owner="me") for _ in range(20)))
    assert [each for each in traced if "INSERT" not in each] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert len(traced) == 22


async def test_under_power_the_thread_writes_all(state_dir, policy, request_of):
    """Where each record has to be on the disk, the loop writes none: it would wait for the disk."""
    store = await open_store(state_dir=state_dir, durability="power")
    begin = store.begin(request_of(), policy, owner="me")
    begun = asyncio.ensure_future(begin)
    await asyncio.sleep(0)
    assert not begun.done()
    await begun
    await store.aclose()


async def test_a_bad_row_leaves_its_neighbours_alone(store, several, policy, request_of, result_of):
    """Where one of the rows that share a transaction cannot be written, the others are, once each."""
    bad, good = request_of(), [request_of() for _ in range(6)]
    await store.begin(bad, policy, owner="me")
    too_large = result_of(bad, usage=Usage(peak_memory_bytes=2**70))
    outcomes = await asyncio.gather(
        *(store.begin(each, policy, owner="me") for each in good),
        store.finish(bad, policy, too_large),
        return_exceptions=True,
    )
    assert [isinstance(each, StoreError) for each in outcomes] == [False] * 6 + [True]
    assert [(await store.get(each.id)).summary.status for each in good] == [None] * 6


async def test_an_id_is_taken_once_among_rows_of_one_turn(store, several, policy, request_of):
    """Of two that begin with one id in the same transaction, one is refused."""
    outcomes = await asyncio.gather(
        *(store.begin(request_of(code, id="same"), policy, owner="me") for code in ("1", "2")), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [type(None), DuplicateExecution]
    assert (await store.get("same")).code == "1"


@pytest.mark.parametrize("locked", [False, True])
async def test_a_cancelled_begin_is_written(store, state_dir, several, policy, request_of, result_of, locked):
    """When CancelledError leaves begin the row is there, here or through the thread, so that it can be finished."""
    other = sqlite3.connect(state_dir / "understudy.db", isolation_level=None)
    if locked:
        other.execute("BEGIN IMMEDIATE")
    request = request_of()
    begin = asyncio.create_task(store.begin(request, policy, owner="me"))
    await asyncio.sleep(0)
    begin.cancel()
    await asyncio.sleep(0)
    assert not locked or not begin.done()
    if locked:
        other.execute("ROLLBACK")
    other.close()
    with pytest.raises(asyncio.CancelledError):
        await begin
    assert await store.finish(request, policy, result_of(request, "cancelled"))


async def test_a_cancelled_begin_with_a_taken_id_says_so(store, several, policy, request_of):
    """A cancelled begin that wrote nothing raises its own error: the row of that id is another's to finish."""
    await store.begin(request_of(id="same"), policy, owner="me")
    begin = asyncio.create_task(store.begin(request_of(id="same"), policy, owner="me"))
    await asyncio.sleep(0)
    begin.cancel()
    with pytest.raises(DuplicateExecution):
        await begin


async def test_a_lost_connection_is_made_anew(store, policy, request_of):
    """Where the connection in place fails, the thread writes the row, and the next is written in place again."""
    store._in_place._connection.close()
    await store.begin(request_of(), policy, owner="me")
    at_once(store.begin(request_of(), policy, owner="me"))


async def test_a_slow_disk_is_left_to_the_thread(store, policy, request_of, monkeypatch):
    """Where writes in place take long again and again, the loop writes no more for a while."""
    monkeypatch.setattr("host.store.in_place._SLOW_S", -1.0)
    for _ in range(3):
        at_once(store.begin(request_of(), policy, owner="me"))
    begin = asyncio.ensure_future(store.begin(request_of(), policy, owner="me"))
    await asyncio.sleep(0)
    assert not begin.done()
    await begin


async def test_after_the_end_nothing_is_written(store, policy, request_of):
    """A store that was closed refuses a row."""
    await store.aclose()
    with pytest.raises(StoreError, match="closed"):
        await store.begin(request_of(), policy, owner="me")


async def test_the_log_begins_anew(store, state_dir, policy, request_of, result_of):
    """Thousands of rows written without a pause leave a log of bounded length: it is brought into the database."""
    for _ in range(5000):
        request = request_of()
        await store.begin(request, policy, owner="me")
        await store.finish(request, policy, result_of(request))
    assert (state_dir / "understudy.db-wal").stat().st_size < 80_000_000  # about 160 MB were written to it
    assert len((await store.list(limit=500, status=Status.SUCCEEDED)).executions) == 500
