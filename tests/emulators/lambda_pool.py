"""The environments of one function: which one serves an invocation, how many there may be."""

import threading
from dataclasses import replace

from tests.emulators.lambda_api import Invocation
from tests.emulators.lambda_runtime import Answer, Environment, Settings

__all__ = ["Pool", "Throttled"]


class Throttled(Exception):
    """So many invocations are under way that no further one is taken."""


class Pool:
    """Keeps environments warm and starts further ones as invocations overlap.

    Attributes:
        settings: of the code and configuration that serve from now on.
        reserved: the reserved concurrency; None where there is none, and 0 lets nothing through.
        cold_starts: how many environments were started so far.
    """

    def __init__(self, settings: Settings, *, per_tenant: bool = False) -> None:
        """Start nothing yet."""
        self.settings = settings
        self.per_tenant = per_tenant
        self.reserved: int | None = None
        self.cold_starts = 0
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False
        self._environments: list[Environment] = []

    @property
    def environments(self) -> list[Environment]:
        """Those that live."""
        with self._lock:
            return [each for each in self._environments if each.alive]

    @property
    def under_way(self) -> int:
        """How many invocations run at this moment."""
        return self._under_way

    def change(self, **changed: object) -> None:
        """Change the settings: no environment of the old ones serves again."""
        with self._lock:
            self.settings = replace(self.settings, **changed)
        self.recycle()

    def recycle(self) -> None:
        """Close what is idle; what is busy is closed after its invocation."""
        with self._lock:
            idle = [each for each in self._environments if not each.busy]
            self._environments = [each for each in self._environments if each.busy]
            for each in self._environments:
                each.retired = True
        for each in idle:
            each.close()

    def invoke(self, payload: bytes, *, tenant: str | None = None, client_context: str | None = None) -> Answer:
        """Run one invocation to its end.

        Raises:
            Throttled: the reserved concurrency is used up.
            BoxUnavailable: no environment can be made on this machine.
        """
        with self._lock:
            if self.reserved is not None and self._under_way >= self.reserved:
                raise Throttled
            self._under_way += 1
        try:
            environment = self._take(tenant)
            try:
                return environment.invoke(Invocation(payload, tenant, client_context))
            finally:
                self._give_back(environment)
        finally:
            with self._lock:
                self._under_way -= 1

    def _take(self, tenant: str | None) -> Environment:
        with self._lock:
            dead = [each for each in self._environments if not each.busy and not each.alive]
            self._environments = [each for each in self._environments if each not in dead]
            found = next((each for each in self._environments if not each.busy and each.tenant == tenant), None)
            if found is not None:
                found.busy = True
            settings = self.settings
        for each in dead:
            each.close()
        return found or self._start(settings, tenant)

    def _start(self, settings: Settings, tenant: str | None) -> Environment:
        environment = Environment(settings, tenant)
        environment.busy = True
        with self._lock:
            self.cold_starts += 1
            environment.retired = settings is not self.settings or self._closed
            self._environments.append(environment)
        if self._closed:
            environment.close()
        return environment

    def _give_back(self, environment: Environment) -> None:
        with self._lock:
            environment.busy = False
            keep = environment.alive and not environment.retired
            if not keep and environment in self._environments:
                self._environments.remove(environment)
        if not keep:
            environment.close()

    def close(self) -> None:
        """Kill everything, also what is under way."""
        with self._lock:
            self._closed = True
            left, self._environments = self._environments, []
            for each in left:
                each.retired = True
        for each in left:
            each.close()
