"""A service that runs elsewhere, or here in another process: its HTTP API, as far as commands need it."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote, urlsplit

import typer

from host.errors import RequestError
from host.models import ExecutionResult
from host.settings import Settings

__all__ = ["Service", "ServiceError", "Told", "UrlOption", "result_of"]

_PATIENCE_S = 60.0
_TRIES = 10

UrlOption = Annotated[
    str | None, typer.Option("--url", help="Where the service is; by default at server.host and server.port.")
]


class ServiceError(RequestError):
    """The service cannot be reached, or does not do what it was asked for."""

    type = "service"
    title = "The service does not do that"


class Told(NamedTuple):
    """One event of an execution as the service tells it."""

    seq: int
    name: str
    data: dict[str, Any]


class Service:
    """One service. Its key is the first of ``server.api_keys``.

    Args:
        url: where it is, or None for the one that the settings describe.
        settings: this command's.

    Raises:
        ServiceError: ``url`` is none.
    """

    def __init__(self, url: str | None, settings: Settings) -> None:
        server = settings.server
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 - compared, not bound
        self.url = url or f"http://{f'[{name}]' if ':' in name else name}:{server.port}"
        try:
            parts = urlsplit(self.url)
            self._place, self._path = (parts.hostname or "", parts.port), parts.path.rstrip("/")
        except ValueError:
            parts, self._place = urlsplit(""), ("", None)
        if parts.scheme not in ("http", "https") or not self._place[0]:
            raise ServiceError(f"{self.url} is not the address of a service.", remedy="Write --url http://HOST:PORT.")
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._headers = {"Accept": "application/json"}
        if server.api_keys:
            self._headers["Authorization"] = f"Bearer {server.api_keys[0].get_secret_value()}"

    def cancel(self, execution_id: str) -> dict[str, Any]:
        """Stop an execution; its record.

        Raises:
            ServiceError: there is none, it has ended, or the service does not answer.
        """
        return self.ask("DELETE", f"/v1/executions/{quote(execution_id, safe='')}")

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, patience_s: float = _PATIENCE_S
    ) -> dict[str, Any]:
        """What the service answers.

        Args:
            method: as GET.
            path: with each part quoted.
            body: sent as JSON; None sends none.
            patience_s: how long it may keep silent, in seconds.

        Raises:
            ServiceError: it says no, or does not answer.
        """
        headers = {} if body is None else {"Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        with self._asked(method, path, headers, sent, patience_s=patience_s) as answer:
            try:
                found: dict[str, Any] = json.loads(answer.read())
            except (OSError, http.client.HTTPException) as error:
                raise self._gone(error) from None
            return found

    def follow(self, execution_id: str) -> Iterator[Told]:
        """The events of an execution from the first to the last. A connection that breaks is made again.

        Raises:
            ServiceError: nothing has that id, the service does not answer any more, or the run got no record.
        """
        last, tries = 0, 0
        while True:
            try:
                for told in self._events(execution_id, last):
                    yield told
                    last, tries = told.seq, 0
                    if told.name == "result":
                        return
                raise ConnectionResetError("it ended early")
            except (OSError, http.client.HTTPException) as error:
                tries += 1
                if tries >= _TRIES:
                    raise self._gone(error) from None
                time.sleep(min(0.1 * 2**tries, 5.0))

    def _events(self, execution_id: str, after: int) -> Iterator[Told]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        path = f"/v1/executions/{quote(execution_id, safe='')}/events"
        with self._asked("GET", path, headers, again=bool(after)) as answer:
            fields: dict[str, str] = {}
            while line := answer.readline():
                name, _, value = line.decode("utf-8").rstrip("\r\n").partition(": ")
                if name:
                    fields[name] = value
                    continue
                if fields.get("event") == "problem":
                    raise _refusal(json.loads(fields["data"]))
                if "event" in fields:
                    yield Told(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                fields = {}

    @contextlib.contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        again: bool = False,
        patience_s: float = _PATIENCE_S,
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request, if it is a good one.

        Raises:
            ServiceError: it is not; or nobody answers, and nobody did before (``again``).
        """
        with contextlib.closing(self._kind(self._place[0], self._place[1], timeout=patience_s)) as connection:
            try:
                connection.request(method, self._path + path, body, {**self._headers, **headers})
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                if again:
                    raise
                raise self._gone(error) from None
            if not 200 <= answer.status < 300:
                raise self._refused(answer)
            yield answer

    def _refused(self, answer: http.client.HTTPResponse) -> ServiceError:
        try:
            return _refusal(json.loads(answer.read()))
        except (ValueError, TypeError, KeyError):
            return ServiceError(
                f"{self.url} answers {answer.status} {answer.reason}.", remedy="Is it an understudy service?"
            )

    def _gone(self, error: Exception) -> ServiceError:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ServiceError(
            f"{self.url} does not answer: {why}.", remedy="Start it with `understudy serve`, or name it with --url."
        )


def result_of(found: Mapping[str, Any]) -> ExecutionResult:
    """A result as the service tells it; ``value_type`` follows from the value."""
    parts = {name: value for name, value in found.items() if name != "value_type"}
    return ExecutionResult.model_validate_json(json.dumps(parts))


def _refusal(problem: dict[str, Any]) -> ServiceError:
    """A problem of the service as an error of the command."""
    error = ServiceError(problem["detail"], remedy=problem.get("remedy", ""))
    error.type = str(problem["type"]).rpartition(":")[2]
    error.title = problem["title"]
    return error
