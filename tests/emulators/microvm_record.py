"""What the emulator knows of one MicroVM, of its tokens, and of a request on its way into it."""

import http.client
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.emulators.faults import Fault
from tests.emulators.microvm_endpoint import VmEndpoint
from tests.emulators.microvm_image import Image, ImageVersion
from tests.emulators.microvm_machine import Machine
from tests.emulators.service import Call, Service, ServiceError

__all__ = ["Passage", "Token", "Vm", "ports_of"]

_UPSTREAM_S = 900.0


@dataclass(eq=False)
class Vm:
    """What the service knows of one MicroVM."""

    given: dict[str, Any]
    image: Image
    version: ImageVersion
    machine: Machine
    ends: float
    used: float
    id: str = field(default_factory=lambda: f"microvm-{uuid.uuid4()}")
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    over: datetime | None = None
    endpoint: VmEndpoint | None = None
    address: str = ""
    requests: int = 0


@dataclass(frozen=True)
class Token:
    """What a token grants, and until when."""

    vm: str
    ports: tuple[range, ...]
    ends: float


class Passage:
    """One request on its way in and its answer on the way out, with the faults that strike it."""

    def __init__(self, service: Service, call: Call, machine: Machine, port: int) -> None:
        """Nothing has struck it yet."""
        self._service, self._call, self._machine, self._port = service, call, machine, port
        self._faults: list[Fault] = []

    def begin(self) -> None:
        """It may come in, unless a fault strikes it."""
        self._faults = self._service.account.faults.take(self._call)
        for fault in self._faults:
            fault.before(self._call, self._service)

    def inside(self) -> http.client.HTTPConnection:
        """A connection to what listens inside.

        Raises:
            ServiceError: nobody does.
        """
        try:
            if self._machine.state != "RUNNING":  # nothing is passed on before the run hook has answered
                raise ConnectionRefusedError
            channel = self._machine.channel(self._port, _UPSTREAM_S)
            channel.connect()
        except ConnectionRefusedError as error:
            raise ServiceError("BadGateway", "Bad Gateway", status=502) from error
        self._call.executed = True
        return channel

    def answered(self) -> None:
        """The program inside has answered."""
        for fault in self._faults:
            fault.after(self._call)

    def pieces(self, answer: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces of the answer's body, as they go out."""
        for fault in self._faults:
            answer = fault.through(answer, None)
        return answer

    def close(self) -> None:
        """The answer is out, or never will be."""
        self._service.account.log.end(self._call)


def ports_of(given: dict[str, Any]) -> range:
    """The ports that one part of ``allowedPorts`` grants."""
    if "port" in given:
        return range(given["port"], given["port"] + 1)
    if "range" in given:
        return range(given["range"]["startPort"], given["range"]["endPort"] + 1)
    return range(1, 65536)
