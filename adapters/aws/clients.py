"""Clients of AWS services, made once from an adapter's settings, and kept.

Sessions of boto3 are not thread-safe and clients are, so clients are made under a lock. Every client tries once: what
may be tried again is tried again by ``calls``, by our own table of errors. (Left to itself botocore repeats a call
whose answer is late, and a program would run three times.)
"""

import contextlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from adapters.aws.settings import AwsSettings
from adapters.aws.threads import Ticket

__all__ = ["BrokenAnswer", "Clients", "SetUpError"]

_CONNECT_TIMEOUT_S = 5.0
_LONGEST_S = 960.0  # of calls that say nothing: above Lambda's and AgentCore's 900
_RENEW_S = 2.0
_TALKATIVE = ("boto3", "botocore", "urllib3")
_SECRET_FIELDS = frozenset({"access_key", "secret_key", "token"})


class BrokenAnswer(Exception):
    """An answer that says that all is well did not come whole. botocore itself makes an empty one of it."""


class SetUpError(Exception):
    """boto3 made no client of what is configured."""


class _UnderWay(threading.local):
    """What the handlers of a client need to know of the call that its thread makes."""

    ticket: Ticket | None = None
    read_timeout_s: float | None = None


class Clients:
    """The clients of one adapter. Call ``client`` in a thread: making one takes a while."""

    def __init__(self, settings: AwsSettings, connections: int) -> None:
        """Take settings; nothing is imported or made yet.

        Args:
            settings: region and profile.
            connections: how many a client keeps open, at least as many as there are threads.
        """
        self._settings, self._connections = settings, connections
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        self._session: Any = None
        self._session_at = 0.0
        self._credentials: Any = None
        self._seen: deque[str] = deque(maxlen=12)
        self._under_way = _UnderWay()

    @property
    def region(self) -> str:
        """The region that calls go to; "" where none is set, or none is known yet."""
        return self._settings.region or str(getattr(self._session, "region_name", None) or "")

    def client(self, service: str) -> Any:
        """The client of a service, as boto3 names it.

        Raises:
            SetUpError: boto3 cannot make one of what is configured.
            Exception: what boto3 raises where region or profile are missing.
        """
        made = self._made.get(service)
        if made is not None:
            return made
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    def credentials(self) -> Any:
        """The credentials that boto3 finds, or None. It may ask the machine's metadata service."""
        with self._lock:
            self._begin()
            return self._credentials

    @contextlib.contextmanager
    def call(self, ticket: Ticket, read_timeout_s: float | None) -> Iterator[None]:
        """Around one call in its thread: its ticket is marked when it is sent, and its read timeout holds."""
        self._under_way.ticket, self._under_way.read_timeout_s = ticket, read_timeout_s
        try:
            yield
        finally:
            self._under_way.ticket = None

    def secrets(self) -> tuple[str, ...]:
        """The credentials in use, and those before them, to be kept out of messages."""
        for name, value in vars(self._credentials).items() if self._credentials is not None else ():
            if name.lstrip("_") in _SECRET_FIELDS and isinstance(value, str) and value and value not in self._seen:
                self._seen.append(value)
        return tuple(self._seen)

    def renew(self) -> None:
        """Look for region and credentials anew at the next call: those at hand do not serve. It does not block."""
        if time.monotonic() - self._session_at < _RENEW_S or not self._lock.acquire(blocking=False):
            return
        try:
            self.secrets()  # those that go are still kept out of messages
            self._session = self._credentials = None
            self._made = {}
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close every connection that is idle. Those in use are closed when their call comes back."""
        made, self._made = self._made, {}
        for client in made.values():
            client.close()

    def _begin(self) -> None:
        if self._session is None:
            import boto3  # type: ignore[import-untyped]

            _be_quiet()
            settings = self._settings
            self._session_at = time.monotonic()
            session = boto3.Session(region_name=settings.region or None, profile_name=settings.profile or None)
            self._credentials = session.get_credentials()
            self._session = session

    def _make(self, service: str) -> Any:
        self._begin()
        from botocore.config import Config  # type: ignore[import-untyped]
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_LONGEST_S,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=self._connections,
            tcp_keepalive=True,
            user_agent_extra="understudy",
        )
        try:
            client = self._session.client(service, config=config)
        except BotoCoreError:
            raise
        except ValueError as error:  # an endpoint or a proxy that is no address
            raise SetUpError(str(error)) from None
        client.meta.events.register("before-call", self._before_call)
        client.meta.events.register("before-send", self._before_send)
        client.meta.events.register("before-parse", _check_whole)
        return client

    def _before_call(self, context: dict[str, Any], **_: Any) -> None:
        if self._under_way.read_timeout_s is not None:
            context["read_timeout"] = self._under_way.read_timeout_s

    def _before_send(self, **_: Any) -> None:
        if self._under_way.ticket is not None:
            self._under_way.ticket.send()


def _check_whole(response_dict: dict[str, Any], operation_model: Any, **_: Any) -> None:
    """Refuse an answer that was cut short or is no JSON, such as the greeting of a network that wants a login first."""
    body = response_dict["body"]
    if not isinstance(body, bytes) or response_dict["status_code"] >= 300:
        return
    promised = response_dict["headers"].get("content-length")
    if promised is not None and len(body) < int(promised):
        raise BrokenAnswer(f"{len(body)} of {promised} bytes came")
    if not body:
        output = operation_model.output_shape
        if output is not None and output.required_members:
            raise BrokenAnswer("it is empty")
        return
    if "json" not in operation_model.service_model.metadata.get("protocol", "json"):
        return  # IAM and S3 speak XML, which botocore reads strictly itself
    try:
        json.loads(body)
    except ValueError:
        raise BrokenAnswer("it is no JSON") from None


def _be_quiet() -> None:
    """Keep what the libraries tell of their work out of our logs: at debug it is signed headers and whole requests."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
