"""Calls to AWS that do not block the event loop.

By what a call does on the far side: ``once`` is for what runs code, and is sent at most once whatever happens;
``stream`` is ``once`` for an answer that comes in events; ``again`` is for what may be done twice, and is tried again
where our table says that this may help; ``probe`` asks whether the service is there. Whatever goes wrong leaves as
``AwsError``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from adapters.aws.clients import Clients
from adapters.aws.errors import About, AwsError, Call, explained
from adapters.aws.handover import Handover
from adapters.aws.kinds import Kind, Phase
from adapters.aws.retries import Retries
from adapters.aws.settings import AwsSettings
from adapters.aws.threads import Threads, Ticket
from host.errors import AdapterError

__all__ = ["Calls"]

_T = TypeVar("_T")
_ASIDE = 16  # threads for what runs no code, so that a stop never waits for a run
_AGAIN_TIMEOUT_S = 30.0
_PROBE_TIMEOUT_S = 5.0
_CLOSE_GRACE_S = 1.0
_SOMETHING = About()


def _as_it_is(response: Any) -> Any:
    return response


def _close(response: Mapping[str, Any]) -> None:
    for part in response.values():
        if hasattr(part, "close"):
            part.close()


class Calls:
    """Every call that one adapter makes to AWS, from one event loop. Nothing is made or imported before the first.

    Attributes:
        adapter: the adapter's name.
        clients: the clients that it uses.
    """

    def __init__(self, adapter: str, settings: AwsSettings, retries: Retries | None = None) -> None:
        self.adapter = adapter
        self.clients = Clients(settings, settings.max_running + _ASIDE)
        self._retries = retries or Retries()
        self._running = Threads(f"understudy-{adapter}-run", settings.max_running)
        self._aside = Threads(f"understudy-{adapter}", _ASIDE)

    async def once(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        read_timeout_s: float,
        finish: Callable[[Any], _T] = _as_it_is,
        ticket: Ticket | None = None,
        about: About = _SOMETHING,
    ) -> _T:
        """Make a call that runs code. It is sent at most once.

        Cancelling releases the caller at once; ``ticket.sent`` then says whether the program may run on.

        Args:
            service: as boto3 names it.
            operation: the client's method.
            params: what the method takes.
            read_timeout_s: how long the far side may be silent; above the run's own deadline.
            finish: takes the response in the thread, and reads what is to be read of it.
            ticket: tells whether it was sent.
            about: what is used, for errors.

        Raises:
            AwsError: it failed.
        """
        call = Call(self.adapter, service, operation, Phase.EXECUTING, about)
        ticket = ticket or Ticket()
        return await self._done(call, self._work(call, params, finish, ticket, read_timeout_s), ticket)

    @asynccontextmanager
    async def stream(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        events: str,
        read_timeout_s: float,
        ticket: Ticket | None = None,
        about: About = _SOMETHING,
    ) -> AsyncIterator[Handover]:
        """``once`` for an answer that comes in events: ``async with calls.stream(...) as events``.

        The stream is read to its end in any case. Leaving the block early, or cancelling, releases the caller at once;
        what still comes is dropped. The arguments are those of ``once``, and:

        Args:
            service: as boto3 names it.
            operation: the client's method.
            params: what the method takes.
            events: the field of the response that holds the stream.
            read_timeout_s: how long the far side may be silent between two events.
            ticket: tells whether it was sent.
            about: what is used, for errors.

        Raises:
            AwsError: it failed; raised where the events are read, after those that came before.
        """
        call = Call(self.adapter, service, operation, Phase.EXECUTING, about)
        ticket = ticket or Ticket()
        handover = Handover(asyncio.get_running_loop())

        def pass_on(response: Any) -> None:
            for event in response[events]:
                handover.put(event)

        work = self._work(call, params, pass_on, ticket, read_timeout_s)
        handover.follow(asyncio.ensure_future(self._done(call, work, ticket, handover)))
        try:
            yield handover
        finally:
            handover.abandon()

    async def again(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        read_timeout_s: float = _AGAIN_TIMEOUT_S,
        finish: Callable[[Any], _T] = _as_it_is,
        attempts: int | None = None,
        about: About = _SOMETHING,
    ) -> _T:
        """Make a call that may be made twice: a start with a client token, a stop, a get, a list.

        Where an error is retryable it is tried again. It never waits for a thread that runs code. The arguments are
        those of ``once``, and:

        Args:
            service: as boto3 names it.
            operation: the client's method.
            params: what the method takes.
            read_timeout_s: how long the far side may be silent.
            finish: takes the response in the thread.
            attempts: how often it is tried in all, where that is not as usual.
            about: what is used, for errors.

        Raises:
            AwsError: the last try failed, or an error is not retryable.
        """
        call = Call(self.adapter, service, operation, Phase.IDEMPOTENT, about)

        async def one() -> _T:
            ticket = Ticket()
            return await self._done(call, self._work(call, params, finish, ticket, read_timeout_s), ticket)

        retries = self._retries if attempts is None else replace(self._retries, attempts=attempts)
        return await retries.of(one)

    async def probe(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        read_timeout_s: float = _PROBE_TIMEOUT_S,
        finish: Callable[[Any], _T] = _as_it_is,
        about: About = _SOMETHING,
    ) -> _T:
        """Ask once whether the service is there and lets us in. The arguments are those of ``again``.

        Raises:
            AwsError: it is not, or does not; ``errors.finding`` makes a finding of that.
        """
        call = Call(self.adapter, service, operation, Phase.PROBING, about)
        ticket = Ticket()
        return await self._done(call, self._work(call, params, finish, ticket, read_timeout_s), ticket)

    async def listed(
        self, service: str, operation: str, params: Mapping[str, Any], *, items: str, most: int = 10_000
    ) -> list[Any]:
        """All that a list operation with ``nextToken`` lists, page by page.

        Args:
            service: as boto3 names it.
            operation: the client's method.
            params: what the method takes.
            items: the field of the answer that holds the list.
            most: of items; what is beyond is left out.

        Raises:
            AwsError: a page could not be had.
        """
        found: list[Any] = []
        while True:
            page: Mapping[str, Any] = await self.again(service, operation, params)
            found += page.get(items, ())
            if not page.get("nextToken") or len(found) >= most:
                return found[:most]
            params = {**params, "nextToken": page["nextToken"]}

    async def run(self, work: Callable[[Ticket], _T], call: Call, *, ticket: Ticket | None = None) -> _T:
        """Do other blocking work that fails as AWS's libraries do, such as a request to a MicroVM's own address.

        Args:
            work: called in a thread; it calls ``send`` of its ticket right before its request goes out.
            call: what it is, for errors. What is executing has the threads of ``once``.
            ticket: tells whether it was sent.

        Raises:
            AwsError: it failed.
        """
        given = ticket or Ticket()
        return await self._done(call, lambda: work(given), given)

    async def aclose(self) -> None:
        """Release whoever waits, and close the connections.

        Threads that wait for an answer have a second; then they are left to their sockets.
        """
        self._running.close()
        self._aside.close()
        self.clients.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_GRACE_S):
                await asyncio.gather(self._running.ended(), self._aside.ended())

    def _work(
        self, call: Call, params: Mapping[str, Any], finish: Callable[[Any], _T], ticket: Ticket, read_timeout_s: float
    ) -> Callable[[], _T]:
        clients = self.clients

        def work() -> _T:
            client = clients.client(call.service)
            with clients.call(ticket, read_timeout_s):
                response = getattr(client, call.operation)(**params)
            try:
                outcome = finish(response)
            except BaseException:
                _close(response)  # what was not read to its end holds a connection
                raise
            if ticket.given_up:
                _close(response)
            return outcome

        return work

    async def _done(self, call: Call, work: Callable[[], _T], ticket: Ticket, handover: Handover | None = None) -> _T:
        threads = self._running if call.phase is Phase.EXECUTING else self._aside
        try:
            return await threads.run(work, ticket)
        except AdapterError:  # of the caller's own making
            raise
        except Exception as error:  # noqa: BLE001 - whatever the libraries raise becomes one error of ours
            caught = error
        failed = self._explained(caught, call, ticket, in_stream=handover is not None and handover.begun)
        raise failed  # outside of the handler, so that no traceback shows what was caught: it may hold credentials

    def _explained(self, caught: Exception, call: Call, ticket: Ticket, *, in_stream: bool) -> AwsError:
        region, secrets = self.clients.region, self.clients.secrets()
        failed = explained(caught, call, region=region, sent=ticket.sent, in_stream=in_stream, secrets=secrets)
        if failed.kind in (Kind.NOT_CONFIGURED, Kind.CREDENTIALS):
            self.clients.renew()
        return failed
