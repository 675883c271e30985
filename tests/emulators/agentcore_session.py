"""One session of the code interpreter: its machine, and the tools that InvokeCodeInterpreter calls on it."""

import itertools
import secrets
import string
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.emulators import agentcore_files as files
from tests.emulators.agentcore_machine import Ended, Machine, MachineGone
from tests.emulators.service import ServiceError

__all__ = ["Session"]

_LETTERS = string.ascii_uppercase + string.digits
_LARGEST_PIECE = 8 * 2**20
"""Characters of one result; the encoding of an event stream allows 24 MiB in one event."""

_NEEDS = {
    "executeCode": "code",
    "executeCommand": "command",
    "startCommandExecution": "command",
    "readFiles": "paths",
    "removeFiles": "paths",
    "writeFiles": "content",
    "getTask": "taskId",
    "stopTask": "taskId",
}
_SCRIPTS = {"deno": ["deno", "run", "--allow-all", "--quiet"], "nodejs": ["node"]}
_RUNTIMES = {"python": ("python",), "javascript": ("deno", "nodejs"), "typescript": ("deno", "nodejs")}


def invalid(name: str, message: str) -> ServiceError:
    """An argument that the model allows and the service does not."""
    fields = [{"name": name, "message": message}]
    return ServiceError("ValidationException", message, reason="FieldValidationFailed", fieldList=fields)


class _Task:
    """A command in the background."""

    def __init__(self, number: int) -> None:
        self.id = f"task-{number}-{''.join(secrets.choice(_LETTERS) for _ in range(8))}"
        self.status = "submitted"
        self.ended = Ended()
        self.over = threading.Event()
        self.program: int | None = None

    def facts(self) -> dict[str, Any]:
        """Its structured content: what it wrote only when it has ended."""
        facts: dict[str, Any] = {"taskId": self.id, "taskStatus": self.status}
        return facts | _facts(self.ended) if self.over.is_set() else facts


def _facts(ended: Ended) -> dict[str, Any]:
    return {
        "stdout": str(ended.stdout),
        "stderr": str(ended.stderr),
        "exitCode": ended.exit_code,
        "executionTime": ended.milliseconds,
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _result(facts: dict[str, Any], images: list[bytes]) -> dict[str, Any]:
    failed = facts["exitCode"] != 0
    said = facts["stdout"] + (facts["stderr"] if failed else "")
    drawn = [{"type": "image", "data": image, "mimeType": "image/png"} for image in images]
    return {"content": [_text(said), *drawn], "structuredContent": facts, "isError": failed}


def _in_events(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One event, or several if what was written does not fit into one: the last has all but the text before it."""
    facts = result["structuredContent"]
    while len(facts["stdout"]) > _LARGEST_PIECE:
        piece, facts["stdout"] = facts["stdout"][:_LARGEST_PIECE], facts["stdout"][_LARGEST_PIECE:]
        yield {"result": {"content": [_text(piece)], "structuredContent": {"stdout": piece}, "isError": False}}
        result["content"][0] = _text(facts["stdout"])
    yield {"result": result}


class Session:
    """A session, from its start until it is ended by a call, by its time, or by the end of the emulator."""

    def __init__(self, given: dict[str, Any], folder: Path, programs: Path) -> None:
        self.id = "".join(secrets.choice(_LETTERS) for _ in range(26))
        self.given = given
        self.interpreter: str = given["codeInterpreterIdentifier"]
        self.seconds: int = given.get("sessionTimeoutSeconds", 900)
        self.created = self.updated = datetime.now(UTC)
        self.ended = threading.Event()
        self.machine = Machine(folder / self.id, programs)
        self._tasks: dict[str, _Task] = {}
        self._numbers = itertools.count(1)

    @property
    def folder(self) -> Path:
        """Its working folder, where commands run and to which paths are relative."""
        return self.machine.work

    @property
    def status(self) -> str:
        """As the model has it."""
        return "TERMINATED" if self.ended.is_set() else "READY"

    def end(self) -> None:
        """Kill all that runs in it, at once, and remove its folder."""
        self.ended.set()
        self.updated = datetime.now(UTC)
        self.machine.end()

    def gone(self) -> ServiceError:
        """What a call gets that comes too late, or that was under way."""
        return ServiceError("ResourceNotFoundException", f"Code interpreter session {self.id} not found or terminated.")

    def invoke(self, tool: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of one call of a tool. What is wrong with the arguments is raised here and now.

        Raises:
            ServiceError: ValidationException; ResourceNotFoundException for a task that is not known.
        """
        needed = _NEEDS.get(tool)
        if needed and needed not in arguments:
            raise invalid(f"arguments.{needed}", f"{needed} is required for {tool}.")
        if tool == "executeCode":
            arguments = arguments | {"runtime": self._runtime(arguments)}
        if "taskId" in arguments and tool in {"getTask", "stopTask"} and arguments["taskId"] not in self._tasks:
            raise ServiceError("ResourceNotFoundException", f"Task {arguments['taskId']} not found.")
        return self._events(tool, arguments)

    def _runtime(self, arguments: dict[str, Any]) -> str:
        language = arguments.get("language")
        if language is None:
            raise invalid("arguments.language", "language is required for executeCode.")
        runtime = arguments.get("runtime", _RUNTIMES[language][0])
        if runtime not in _RUNTIMES[language]:
            raise invalid("arguments.runtime", f"{runtime} does not run {language}.")
        return runtime

    def _events(self, tool: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            yield from getattr(self, f"_{tool}")(arguments)
        except files.ToolFailed as error:
            yield {"result": {"content": [_text(str(error))], "isError": True}}
        except MachineGone as error:
            raise self.gone() from error

    def _executeCommand(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802 - named as the tool
        ended = Ended()
        self.machine.run(self.machine.shell(arguments["command"]), ended)
        yield from _in_events(_result(_facts(ended), []))

    def _executeCode(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802
        ended = Ended()
        images: list[bytes] = []
        if arguments["language"] == "python":
            images = self.machine.execute(arguments["code"], ended, clear=arguments.get("clearContext", False))
        else:
            self.machine.run(self._script(arguments), ended, given=arguments["code"])
        yield from _in_events(_result(_facts(ended), images))

    def _script(self, arguments: dict[str, Any]) -> list[str]:
        """JavaScript and TypeScript have no state here: each piece runs in a process of its own."""
        typed = arguments["language"] == "typescript"
        if arguments["runtime"] == "deno":
            return [*_SCRIPTS["deno"], "--ext=ts" if typed else "--ext=js", "-"]
        return [*_SCRIPTS["nodejs"], *(["--experimental-strip-types"] if typed else []), "-"]

    def _writeFiles(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802
        yield self._done(files.written(self.folder, arguments["content"]))

    def _readFiles(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802
        yield self._done(files.shown(self.folder, arguments["paths"]))

    def _listFiles(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802
        where = arguments.get("directoryPath") or arguments.get("path") or ""
        yield self._done(files.listed(self.folder, where))

    def _removeFiles(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802
        yield self._done(files.removed(self.folder, arguments["paths"]))

    def _done(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        if self.ended.is_set():
            raise MachineGone
        return {"result": {"content": content, "isError": False}}

    def _startCommandExecution(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802
        task = _Task(next(self._numbers))
        self._tasks[task.id] = task
        facts = task.facts()
        begun = threading.Event()
        thread = threading.Thread(target=self._follow, args=(task, arguments["command"], begun), daemon=True)
        thread.start()
        begun.wait()
        yield {"result": {"content": [_text(f"Task {task.id} started")], "structuredContent": facts, "isError": False}}

    def _follow(self, task: _Task, command: str, begun: threading.Event) -> None:
        def started(program: int) -> None:
            task.program, task.status = program, "working"
            begun.set()

        try:
            self.machine.run(self.machine.shell(command), task.ended, begun=started)
            if task.status != "canceled":
                task.status = "failed" if task.ended.exit_code else "completed"
        except (MachineGone, OSError):
            task.status = "canceled"
        finally:
            task.over.set()
            begun.set()

    def _getTask(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802
        facts = self._tasks[arguments["taskId"]].facts()
        result = {"content": [_text(facts.get("stdout", ""))], "structuredContent": facts, "isError": False}
        yield from _in_events(result) if "stdout" in facts else iter([{"result": result}])

    def _stopTask(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: N802
        task = self._tasks[arguments["taskId"]]
        if not task.over.is_set() and task.program is not None:
            task.status = "canceled"
            self.machine.kill(task.program)
            task.over.wait()
        facts = {"taskId": task.id, "taskStatus": task.status}
        yield {
            "result": {
                "content": [_text(f"Task {task.id} {task.status}")],
                "structuredContent": facts,
                "isError": False,
            }
        }
