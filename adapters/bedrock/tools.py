"""What can be asked of AgentCore Code Interpreter: sessions, and the tools in them."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from adapters.aws.calls import Calls
from adapters.aws.errors import About
from adapters.aws.threads import Ticket
from host.errors import AdapterError

__all__ = ["CONTROL", "DATA", "Said", "Tools"]

DATA = "bedrock-agentcore"
CONTROL = "bedrock-agentcore-control"
_ASIDE_TIMEOUT_S = 120.0
_PAGE = 100
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Said:
    """What a tool answered.

    Attributes:
        stdout: what the command printed.
        stderr: the same.
        exit_code: None where the tool has none, or said none.
        failed: whether the tool itself says that it failed.
        task: the id of what runs in the background, or "".
        task_status: submitted, working, completed, canceled or failed.
    """

    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None
    failed: bool = False
    task: str = ""
    task_status: str = ""

    @property
    def complaint(self) -> str:
        """The end of what was said, for an error."""
        text = (self.stderr.strip() or self.stdout.strip())[-300:]
        return " ".join("".join(each if each.isprintable() else " " for each in text).split())


class _Gathered:
    """The events of one answer, put together in the thread that reads them. All are read; no more is kept than fits."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._parts: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._facts: dict[str, Any] = {}
        self._failed = False

    def of(self, response: Mapping[str, Any]) -> Said:
        """The whole answer."""
        with closing(response["stream"]) as stream:
            for event in stream:
                self._take(event.get("result") or {})
        facts = self._facts
        code = facts.get("exitCode")
        return Said(
            stdout="".join(self._parts["stdout"]),
            stderr="".join(self._parts["stderr"]),
            exit_code=code if isinstance(code, int) else None,
            failed=self._failed,
            task=facts.get("taskId") or "",
            task_status=facts.get("taskStatus") or "",
        )

    def _take(self, result: Mapping[str, Any]) -> None:
        facts = result.get("structuredContent") or {}
        self._failed = self._failed or result.get("isError") is True
        if "stdout" not in facts and "taskId" not in facts:
            blocks = result.get("content") or ()
            self._keep("stdout", "".join(block.get("text") or "" for block in blocks if block.get("type") == "text"))
        for name in self._parts:
            self._keep(name, facts.get(name) or "")
        self._facts.update(facts)

    def _keep(self, name: str, text: str) -> None:
        text = text[: self._left]
        self._left -= len(text)
        self._parts[name].append(text)


class Tools:
    """One code interpreter.

    Args:
        calls: how AWS is called.
        interpreter: its id.
        most_kept: how many characters of one answer are kept.
    """

    def __init__(self, calls: Calls, interpreter: str, most_kept: int) -> None:
        self._calls = calls
        self._interpreter = interpreter
        self._most_kept = most_kept
        remedy = "Set interpreter in [adapters.bedrock] to the id of one that is READY, or leave it out for AWS's own."
        self._about = About(f"code interpreter {interpreter}", remedy)
        self._about_session = About("this session", "It had ended: a session lives no longer than its time.")

    async def look(self) -> Mapping[str, Any]:
        """The interpreter's status and network. Raises ``AwsError``."""
        params = {"codeInterpreterId": self._interpreter}
        known: Mapping[str, Any] = await self._calls.probe(CONTROL, "get_code_interpreter", params, about=self._about)
        return known

    async def start(self, name: str, lifetime_s: int, token: str) -> str:
        """Start a session and give its id. With the same token it is the same session. Raises ``AwsError``."""
        params = {
            "codeInterpreterIdentifier": self._interpreter,
            "name": name,
            "sessionTimeoutSeconds": lifetime_s,
            "clientToken": token,
        }
        answer: Mapping[str, Any] = await self._calls.again(
            DATA, "start_code_interpreter_session", params, about=self._about
        )
        return str(answer["sessionId"])

    async def stop(self, session: str) -> None:
        """End a session with all that runs in it. Raises ``AwsError``."""
        params = {"codeInterpreterIdentifier": self._interpreter, "sessionId": session}
        await self._calls.again(DATA, "stop_code_interpreter_session", params, about=self._about_session)

    async def sessions(self, prefix: str) -> list[tuple[str, str]]:
        """Id and name of each session that runs and whose name begins so. Raises ``AwsError``."""
        params = {"codeInterpreterIdentifier": self._interpreter, "status": "READY", "maxResults": _PAGE}
        found = await self._calls.listed(DATA, "list_code_interpreter_sessions", params, items="items")
        return [(each["sessionId"], each.get("name", "")) for each in found if each.get("name", "").startswith(prefix)]

    async def write(self, session: str, files: Iterable[tuple[str, bytes]]) -> None:
        """Put files into a session's folder: pairs of path and content. It may be done twice.

        Raises:
            AdapterError: the session did not take them, or is gone.
        """
        content = [{"path": path, "blob": blob} for path, blob in files]
        said = await self._aside(session, "writeFiles", {"content": content})
        if said.failed:
            raise AdapterError(f"The session took no files: {said.complaint}", may_have_started=False)

    async def ask(self, session: str, command: str) -> Said:
        """Run a command of ours, which may be run twice. Raises ``AwsError``."""
        return await self._aside(session, "executeCommand", {"command": command})

    async def ask_notebook(self, session: str, code: str) -> Said:
        """Have the notebook run a line of ours, which may be run twice. Raises ``AwsError``."""
        return await self._aside(session, "executeCode", {"language": "python", "code": code, "clearContext": False})

    async def task(self, session: str, task: str) -> Said:
        """How it is with a command in the background. Raises ``AwsError``."""
        return await self._aside(session, "getTask", {"taskId": task})

    async def stop_task(self, session: str, task: str) -> None:
        """End a command in the background. Raises ``AwsError``."""
        await self._aside(session, "stopTask", {"taskId": task})

    async def execute(
        self,
        session: str,
        tool: str,
        arguments: Mapping[str, Any],
        silence_s: float,
        ticket: Ticket,
        then: Callable[[Said], _T],
    ) -> _T:
        """Call a tool that runs the caller's program. It is sent once, whatever happens.

        Args:
            session: its id.
            tool: executeCommand, executeCode or startCommandExecution.
            arguments: the tool's.
            silence_s: how long it may say nothing.
            ticket: tells whether it was sent.
            then: takes the answer, in the thread that has read it.

        Raises:
            AwsError: it failed; whether the program may have started is in the error.
        """
        return await self._calls.once(
            DATA,
            "invoke_code_interpreter",
            self._invocation(session, tool, arguments),
            read_timeout_s=silence_s,
            finish=lambda response: then(_Gathered(self._most_kept).of(response)),
            ticket=ticket,
            about=self._about_session,
        )

    async def _aside(self, session: str, tool: str, arguments: Mapping[str, Any]) -> Said:
        return await self._calls.again(
            DATA,
            "invoke_code_interpreter",
            self._invocation(session, tool, arguments),
            read_timeout_s=_ASIDE_TIMEOUT_S,
            finish=lambda response: _Gathered(self._most_kept).of(response),
            about=self._about_session,
        )

    def _invocation(self, session: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "codeInterpreterIdentifier": self._interpreter,
            "sessionId": session,
            "name": tool,
            "arguments": dict(arguments),
        }
