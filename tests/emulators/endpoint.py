"""The address at which one emulated service answers: a thread for each connection."""

import contextlib
import inspect
import itertools
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.model import OperationModel

from tests.emulators import eventstream
from tests.emulators.answers import Answer, answer_of, refusal_of
from tests.emulators.checks import complaints
from tests.emulators.faults import ConnectionCut, Fault
from tests.emulators.parsing import Unreadable, parsed
from tests.emulators.routes import Routes, model_of
from tests.emulators.service import Call, Service, ServiceError
from tests.emulators.signing import signer_of
from tests.emulators.wire import Broken, Connection, Request

if TYPE_CHECKING:
    from tests.emulators.account import Account

__all__ = ["Endpoint"]

_WAITING_CONNECTIONS = 1024
_SECONDS_TO_END = 10


class Endpoint:
    """One service on a port of its own on 127.0.0.1."""

    def __init__(self, account: "Account", service: Service) -> None:
        self._account, self._service = account, service
        self._model = model_of(service.name)
        self._routes = Routes(self._model)
        self._reasons = any(
            shape.name == "ValidationException" and "reason" in shape.members for shape in self._model.error_shapes
        )
        self._lock = threading.Lock()
        self._closed = False
        self.connections: dict[Connection, threading.Thread] = {}

    def open(self) -> None:
        """Listen."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_WAITING_CONNECTIONS)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, name=f"{self._service.name} accepts", daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        """Stop listening, cut every connection, and wait for what was still running."""
        with self._lock:
            self._closed = True
            left = dict(self.connections)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(_SECONDS_TO_END)
        self._listener.close()
        for connection in left:
            connection.close()
        for thread in left.values():
            thread.join(_SECONDS_TO_END)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                raise
            connection = Connection(sock)
            thread = threading.Thread(target=self._converse, args=(connection,), daemon=True, name=self._service.name)
            with self._lock:
                if self._closed:
                    connection.release()
                    return
                self.connections[connection] = thread
                thread.start()

    def _converse(self, connection: Connection) -> None:
        try:
            while not self._closed and (request := connection.read()):
                self._exchange(connection, request)
                if request.headers.get("connection", "").lower() == "close":
                    break
        except (Broken, ConnectionCut):
            pass  # the client is gone, or is to think so of us
        finally:
            connection.release()
            with self._lock:
                self.connections.pop(connection, None)

    def _exchange(self, connection: Connection, request: Request) -> None:
        call = Call(self._service.name, "", request.headers)
        faults: list[Fault] = []
        try:
            try:
                answer = self._answer(request, call, faults)
            except ServiceError as error:
                call.code = error.code
                answer = refusal_of(self._model, error)
            self._send(connection, answer, faults)
        except (Broken, ConnectionCut):
            raise
        except Exception as error:  # a handler is broken: the client is cut off and the test fails
            self._account.broken.append(error)
            raise ConnectionCut from error
        finally:
            self._account.log.end(call)

    def _answer(self, request: Request, call: Call, faults: list[Fault]) -> Answer:
        found = self._routes.find(request.method, request.path, request.query)
        if found is None:
            message = f"There is no operation at {request.method} {request.path}."
            raise ServiceError("UnknownOperationException", message, status=404)
        operation, labels = found
        call.operation = operation.name
        self._account.log.begin(call)
        signing_name = self._model.metadata.get("signingName", self._service.name)
        signer_of(request, self._account.identities, signing_name, self._account.region)
        call.input = self._input(operation, labels, request)
        faults += self._account.faults.take(call)
        for fault in faults:
            fault.before(call, self._service)
        answer = answer_of(operation, self._handled(operation, call))
        if answer.stream is not None:
            answer.body = eventstream.frames(answer.stream, self._in_this_thread(answer.body))
        if any(fault.late for fault in faults) and not isinstance(answer.body, bytes):
            answer.body = list(answer.body)
        for fault in faults:
            fault.after(call)
        return answer

    def _input(self, operation: OperationModel, labels: dict[str, str], request: Request) -> dict[str, Any]:
        try:
            value = parsed(operation, labels, request)
        except Unreadable as error:
            if self._reasons:
                raise ServiceError("ValidationException", str(error), reason="CannotParse") from error
            raise ServiceError("SerializationException", str(error)) from error
        found = list(complaints(operation.input_shape, value)) if operation.input_shape else []
        if not found:
            return value
        each = "; ".join(f"{shown} at '{where}' failed to satisfy constraint: {what}" for where, shown, what in found)
        noun = "error" if len(found) == 1 else "errors"
        fields = [{"name": where, "message": what} for where, _, what in found]
        members = {"reason": "FieldValidationFailed", "fieldList": fields} if self._reasons else {}
        raise ServiceError("ValidationException", f"{len(found)} validation {noun} detected: {each}", **members)

    def _handled(self, operation: OperationModel, call: Call) -> dict[str, Any] | None:
        handler = getattr(self._service, xform_name(operation.name), None)
        if handler is None:
            raise NotImplementedError(f"the emulator of {self._service.name} has no {operation.name}")
        self._account.log.execute(call)
        result = handler(call)
        return self._account.waited(result) if inspect.isawaitable(result) else result

    def _in_this_thread(self, events: Iterable[Any] | AsyncIterator[Any]) -> Iterator[Any]:
        if not hasattr(events, "__anext__"):
            yield from events
            return
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield self._account.waited(anext(events))

    def _send(self, connection: Connection, answer: Answer, faults: list[Fault]) -> None:
        answer.headers.setdefault("x-amzn-RequestId", str(uuid.uuid4()))
        whole = isinstance(answer.body, bytes)
        pieces = iter([answer.body] if whole else answer.body)
        original = pieces
        for fault in faults:
            pieces = fault.through(pieces, answer.stream)
        try:
            if whole:
                self._send_whole(connection, answer, pieces)
            else:
                self._send_chunks(connection, answer, pieces)
        finally:
            if inspect.isgenerator(original):
                original.close()

    def _send_whole(self, connection: Connection, answer: Answer, pieces: Iterator[bytes]) -> None:
        if answer.status == 204:
            connection.send_head(204, {name: text for name, text in answer.headers.items() if name != "Content-Type"})
            return
        connection.send_head(answer.status, answer.headers | {"Content-Length": str(len(answer.body))})
        for piece in pieces:
            connection.send(piece)

    def _send_chunks(self, connection: Connection, answer: Answer, pieces: Iterator[bytes]) -> None:
        if not self._service.early_headers:
            first = list(itertools.islice(pieces, 1))
            pieces = itertools.chain(first, pieces)
        connection.send_head(answer.status, answer.headers | {"Transfer-Encoding": "chunked"})
        for piece in pieces:
            if piece:
                connection.send_chunk(piece)
        connection.send_chunk(b"")
