"""An AWS account on this machine: emulated services at their endpoints, who may call them, what was called, what fails.

    with Account(AgentCoreControl(), AgentCore()) as account:
        account.environment()   # what points unmodified boto3 at it
        account.client("bedrock-agentcore")  # or a client at once

How a service is written stands in `service.py`, what can go wrong in `faults.py`; `fixtures.py` has it all as fixtures.
"""

import asyncio
import functools
import socket
import threading
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.loaders import Loader

from tests.emulators.endpoint import Endpoint
from tests.emulators.faults import Armed, Fault, Faults
from tests.emulators.service import Call, Service
from tests.emulators.signing import Identity

__all__ = ["Account", "Log"]

SERVICES = ("bedrock-agentcore", "bedrock-agentcore-control", "lambda", "lambda-microvms")
NUMBER = "123456789012"


class Log:
    """The calls that arrived, in their order. Other threads may wait for them."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._changed = threading.Condition()

    def begin(self, call: Call) -> None:
        """A call has arrived."""
        with self._changed:
            self._calls.append(call)
            self._changed.notify_all()

    def execute(self, call: Call) -> None:
        """Its handler begins."""
        with self._changed:
            call.executed = True
            self._changed.notify_all()

    def end(self, call: Call) -> None:
        """Its answer is out, or never will be."""
        with self._changed:
            call.finished.set()
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what was called so far."""
        with self._changed:
            self._calls.clear()

    def calls(
        self,
        operation: str | None = None,
        *,
        executed: bool | None = None,
        when: Callable[[dict], bool] | None = None,
    ) -> list[Call]:
        """The calls of an operation; only those that were executed or not; only those whose input is as asked."""
        with self._changed:
            return [
                call
                for call in self._calls
                if operation in {None, call.operation}
                and executed in {None, call.executed}
                and (when is None or (call.input is not None and when(call.input)))
            ]

    def wait(self, operation: str, count: int = 1, *, timeout: float = 30, **only: Any) -> list[Call]:
        """The calls of an operation once there are so many of them.

        Raises:
            TimeoutError: if they do not come.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.calls(operation, **only)) >= count, timeout):
                raise TimeoutError(f"{operation} was not called {count} times in {timeout} s: {self._calls}")
        return self.calls(operation, **only)


class Account:
    """Emulated services that know the same identities and keep one log. A context manager; it may be used once.

    ``identity`` is who the environment's keys belong to; more may be put into ``identities``. ``broken`` has the
    exceptions of handlers that are no ServiceError: a fault of the emulator, for which a test should fail.
    """

    def __init__(self, *services: Service, region: str = "us-east-1") -> None:
        self.region = region
        arn = f"arn:aws:sts::{NUMBER}:assumed-role/understudy-tests/session"
        self.identity = Identity("ASIAEMULATEDEMULATED", "emulated/secret/key", "emulated-session-token", arn)
        self.identities = {self.identity.access_key: self.identity}
        self.log = Log()
        self.faults = Faults()
        self.broken: list[Exception] = []
        self.services = {service.name: service for service in services}
        self.endpoints = {service.name: Endpoint(self, service) for service in services}
        self._clients: list[BaseClient] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "Account":
        # Bound and not listening: whoever connects is refused, and nobody else gets the port.
        self._nowhere = socket.socket()
        self._nowhere.bind(("127.0.0.1", 0))
        for name, service in self.services.items():
            service.account = self
            service.start()
            self.endpoints[name].open()
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.clear()
        for client in self._clients:
            client.close()
        for name, service in self.services.items():
            service.close()
            self.endpoints[name].close()
        self._nowhere.close()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop_thread.join()
            self._loop.close()

    def arn(self, service: str, resource: str, *, owner: str = NUMBER) -> str:
        """The ARN of something here."""
        return f"arn:aws:{service}:{self.region}:{owner}:{resource}"

    def url(self, name: str) -> str:
        """Where a service answers; where nothing answers, if it is not emulated."""
        endpoint = self.endpoints.get(name)
        return endpoint.url if endpoint else self.nowhere

    @property
    def nowhere(self) -> str:
        """An address where connections are refused, as in a region that does not have the service."""
        return f"http://127.0.0.1:{self._nowhere.getsockname()[1]}"

    def environment(self, *, refused: Collection[str] = ()) -> dict[str, str]:
        """The variables that point unmodified boto3 here; services in ``refused`` are where nothing listens."""
        urls = {name: self.nowhere if name in refused else self.url(name) for name in SERVICES}
        return {
            **{f"AWS_ENDPOINT_URL_{name.replace('-', '_').upper()}": url for name, url in urls.items()},
            "AWS_ENDPOINT_URL": self.nowhere,
            "AWS_ACCESS_KEY_ID": self.identity.access_key,
            "AWS_SECRET_ACCESS_KEY": self.identity.secret_key,
            **({"AWS_SESSION_TOKEN": self.identity.token} if self.identity.token else {}),
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def client(self, name: str, identity: Identity | None = None, **settings: Any) -> BaseClient:
        """A boto3 client of this account, closed at its end; ``settings`` are those of botocore's Config."""
        who = identity or self.identity
        client = _session().client(
            name,
            endpoint_url=self.url(name),
            region_name=self.region,
            aws_access_key_id=who.access_key,
            aws_secret_access_key=who.secret_key,
            aws_session_token=who.token,
            config=Config(**settings),
        )
        self._clients.append(client)
        return client

    def fail(
        self,
        operation: str,
        fault: Fault,
        *,
        calls: Collection[int] | None = None,
        when: Callable[[dict], bool] | None = None,
    ) -> Fault:
        """Set a fault: for all calls of an operation, or for the n-th ones from now, counted from 1."""
        self.faults.add(Armed(operation, fault, calls, when))
        return fault

    def waited(self, awaitable: Awaitable[Any]) -> Any:
        """The result of an asynchronous handler, which runs in the account's one event loop."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop_thread = threading.Thread(target=self._loop.run_forever, name="handlers", daemon=True)
                self._loop_thread.start()

        async def run() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()


@functools.lru_cache
def _session() -> boto3.session.Session:
    """One session for all clients of the tests: the models are read once."""
    session = botocore.session.Session()
    session.register_component("data_loader", Loader())
    return boto3.session.Session(botocore_session=session)
