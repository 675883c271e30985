"""AgentCore Code Interpreter, the data plane: sessions that really run what they are given, on this machine.

Where the published model says nothing, this is what the emulator does: a session that was ended answers
ResourceNotFoundException; what ends with another code than 0 has `isError`; file tools take relative paths only;
`executionTime` is in milliseconds; a task shows what it wrote when it has ended; what does not fit into an event comes
in several, the last of which has the exit code. No machine is a wall.
"""

import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.emulators.agentcore_control import SYSTEM, AgentCoreControl
from tests.emulators.agentcore_image import install
from tests.emulators.agentcore_session import Session, invalid
from tests.emulators.paging import paged
from tests.emulators.service import Call, Service, ServiceError
from tests.emulators.trees import remove_tree

__all__ = ["AgentCore", "services"]

_NOT_EMULATED = ("certificates", "filesystemConfigurations")


class AgentCore(Service):
    """The sessions of an account. ``sessions`` has them by id, ended ones too; ``most`` is their quota."""

    name = "bedrock-agentcore"

    def __init__(self, control: AgentCoreControl, *, most: int = 1000) -> None:
        self.most = most
        self.sessions: dict[str, Session] = {}
        self._control = control
        control.busy = lambda interpreter: any(each.interpreter == interpreter for each in self.running())
        self._changed = threading.Condition()
        self._closed = False
        self._tokens: dict[str, Session] = {}

    def start(self) -> None:
        """Prepare what every machine has."""
        self._folder = Path(tempfile.mkdtemp(prefix="agentcore-"))
        self._programs = install(self._folder / "image")
        self._reaper = threading.Thread(target=self._reap, name="sessions expire", daemon=True)
        self._reaper.start()

    def close(self) -> None:
        """End all sessions."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._reaper.join()
        for session in self.running():
            session.end()
        remove_tree(self._folder)

    def running(self) -> list[Session]:
        """The sessions that have not ended."""
        with self._changed:
            return [each for each in self.sessions.values() if not each.ended.is_set()]

    def _reap(self) -> None:
        """End each session at its time, whatever runs in it."""
        with self._changed:
            while not self._closed:
                now = datetime.now(UTC)
                running = [each for each in self.sessions.values() if not each.ended.is_set()]
                for session in running:
                    if self._expiry(session) <= now:
                        session.end()
                left = [(self._expiry(each) - now).total_seconds() for each in running if not each.ended.is_set()]
                self._changed.wait(max(min(left), 0) if left else None)

    @staticmethod
    def _expiry(session: Session) -> datetime:
        return session.created + timedelta(seconds=session.seconds)

    def resource(self, call: Call) -> str:
        """The interpreter."""
        return self._control.arn((call.input or {}).get("codeInterpreterIdentifier", SYSTEM))

    def _session(self, call: Call) -> Session:
        session = self.sessions.get(call.input.get("sessionId", ""))
        if session is None or session.interpreter != call.input["codeInterpreterIdentifier"]:
            message = f"Code interpreter session {call.input.get('sessionId')} not found."
            raise ServiceError("ResourceNotFoundException", message)
        return session

    def start_code_interpreter_session(self, call: Call) -> dict[str, Any]:
        """A new session; the one of an earlier call that had the same token."""
        self._control.known(call.input["codeInterpreterIdentifier"])
        for name in _NOT_EMULATED:
            if call.input.get(name):
                raise NotImplementedError(f"{name} of a session are not emulated")
        given = {key: value for key, value in call.input.items() if key not in {"traceId", "traceParent"}}
        with self._changed:
            session = self._tokens.get(given.get("clientToken", ""))
            if session is None:
                session = self._started(given)
            elif session.given != given:
                raise ServiceError(
                    "ValidationException",
                    "The clientToken was used with other parameters.",
                    reason="IdempotentParameterMismatchException",
                )
        return {**self._named(session), "createdAt": session.created}

    def _started(self, given: dict[str, Any]) -> Session:
        if sum(not each.ended.is_set() for each in self.sessions.values()) >= self.most:
            message = f"The account has its {self.most} code interpreter sessions."
            raise ServiceError("ServiceQuotaExceededException", message)
        session = Session(given, self._folder / "sessions", self._programs)
        self.sessions[session.id] = session
        if "clientToken" in given:
            self._tokens[given["clientToken"]] = session
        self._changed.notify_all()
        return session

    @staticmethod
    def _named(session: Session) -> dict[str, Any]:
        return {"codeInterpreterIdentifier": session.interpreter, "sessionId": session.id}

    def invoke_code_interpreter(self, call: Call) -> dict[str, Any]:
        """Run a tool. Arguments and session are looked at before the stream begins."""
        if "sessionId" not in call.input:
            raise invalid("sessionId", "sessionId is required.")
        session = self._session(call)
        if session.ended.is_set():
            raise session.gone()
        events = session.invoke(call.input["name"], call.input.get("arguments", {}))
        return {"sessionId": session.id, "stream": events}

    def stop_code_interpreter_session(self, call: Call) -> dict[str, Any]:
        """End a session. One that has ended already is left as it is."""
        session = self._session(call)
        session.end()
        return {**self._named(session), "lastUpdatedAt": session.updated}

    def get_code_interpreter_session(self, call: Call) -> dict[str, Any]:
        """What is known of a session."""
        session = self._session(call)
        return {
            **self._named(session),
            **{key: session.given[key] for key in ("name",) if key in session.given},
            "createdAt": session.created,
            "sessionTimeoutSeconds": session.seconds,
            "status": session.status,
        }

    def list_code_interpreter_sessions(self, call: Call) -> dict[str, Any]:
        """The sessions of an interpreter, the newest first, in pages."""
        interpreter, status = call.input["codeInterpreterIdentifier"], call.input.get("status")
        self._control.known(interpreter)
        found = [
            each
            for each in reversed(self.sessions.values())
            if each.interpreter == interpreter and status in {None, each.status}
        ]
        page, token = paged(found, call.input, lambda each: each.id)
        items = [
            {
                **self._named(each),
                **{key: each.given[key] for key in ("name",) if key in each.given},
                "status": each.status,
                "createdAt": each.created,
                "lastUpdatedAt": each.updated,
            }
            for each in page
        ]
        return {"items": items, **token}


def services() -> tuple[AgentCoreControl, AgentCore]:
    """Both planes of one account."""
    control = AgentCoreControl()
    return control, AgentCore(control)
