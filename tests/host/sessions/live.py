"""An adapter whose sessions are real processes: a plugin of its own, for tests that need an interpreter that lives.

It has no wall. Python keeps its names, SQL its in-memory database; both keep a work folder.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile

from host.errors import SessionLost
from host.hookspecs import hookimpl
from host.interface import OutputEvent
from host.models import ExecutionResult, new_id
from host.specs import AdapterSpec
from host.testing.uneventful import Uneventful

GUEST = r"""
import ast, json, os, resource, sqlite3, sys

control, names = os.fdopen(os.dup(1), "w", buffering=1), {}
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
database = sqlite3.connect(":memory:", isolation_level=None)

def say(**report):
    control.write(json.dumps(report) + "\n")

class Tap:
    def __init__(self, stream):
        self.stream = stream
    def write(self, text):
        say(stream=self.stream, text=text)
    def flush(self):
        pass

sys.stdout, sys.stderr = Tap("stdout"), Tap("stderr")

def python(code, inputs):
    names.update(inputs)
    tree = ast.parse(code)
    last = tree.body.pop().value if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<command>", "exec"), names)
    return eval(compile(ast.Expression(last), "<command>", "eval"), names) if last is not None else None

def sql(code, inputs):
    return [list(row) for row in database.execute(code, inputs)]

say(ready=True)
for line in sys.stdin:
    command = json.loads(line)
    before = resource.getrusage(resource.RUSAGE_SELF)
    status, value, reason = "succeeded", None, ""
    try:
        value = (python if sys.argv[1] == "python" else sql)(command["code"], command["inputs"])
        json.dumps(value)
    except KeyboardInterrupt:
        status = "cancelled"
    except (Exception, SystemExit) as error:
        status, value, reason = "failed", None, f"{type(error).__name__}: {error}"
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ms = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000
    say(status=status, value=value, reason=reason, cpu_ms=cpu_ms)
"""


class Live(Uneventful):
    """Runs Python and SQL in processes that live as long as their sessions."""

    name = "live"
    claims = {"languages": ("python", "sql"), "session_languages": ("python", "sql"), "streaming": True}

    def __init__(self):
        self.processes = {}
        self.folders = {}

    async def execute(self, request, policy, emit):
        name = new_id()
        await self.open(name, request.language, policy)
        try:
            return await self.run(name, request, policy, emit)
        finally:
            await self.close(name)

    async def aclose(self):
        for name in list(self.processes):
            await self.close(name)

    # --- sessions -----------------------------------------------------------------------------------------------------

    async def open(self, session, language, policy):
        self.folders[session] = folder = tempfile.mkdtemp(prefix="live-")
        self.processes[session] = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", GUEST, language),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=folder,
            start_new_session=True,
        )
        await process.stdout.readline()  # it is ready: no command pays for the start

    def alive(self, session):
        process = self.processes.get(session)
        if process is None or process.returncode is not None:
            return False
        try:
            return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # somebody was told of its end already
            return False

    async def run(self, session, request, policy, emit):
        if not self.alive(session):
            raise SessionLost(f"the process of session {session!r} is gone.")
        process, heard = self.processes[session], {"stdout": "", "stderr": ""}
        process.stdin.write(json.dumps({"code": request.code, "inputs": request.inputs}).encode() + b"\n")
        try:
            async with asyncio.timeout(policy.max_execution_time / 1000):
                report = await self._report(process, heard, policy, emit)
        except TimeoutError:
            await self._kill(process)
            report = {"status": "timed_out"}
        except asyncio.CancelledError:
            await self._interrupt(process)
            raise
        cpu_ms = report.pop("cpu_ms", None)
        usage = {"cpu_ms": cpu_ms, "output_bytes": sum(map(len, heard.values()))}
        fixed = {"id": request.id, "language": request.language, "policy": policy.name, "may_have_started": True}
        return ExecutionResult(usage=usage, **report, **heard, **fixed)

    async def _report(self, process, heard, policy, emit):
        """What the guest says at the end of a command; output on the way is passed on."""
        while line := await process.stdout.readline():
            report = json.loads(line)
            if "status" in report:
                return report
            heard[report["stream"]] += report["text"]
            emit(OutputEvent(report["stream"], report["text"]))
            if sum(map(len, heard.values())) > policy.max_output_bytes:
                await self._kill(process)
                return {"status": "output_limit", "truncated": True}
        await process.wait()
        return {"status": "killed", "signal": signal.Signals(max(-process.returncode, 1)).name}

    async def _interrupt(self, process):
        """Ctrl-C for the command; where it is deaf, an end to the process."""
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(5):
                while (line := await process.stdout.readline()) and "status" not in json.loads(line):
                    pass
        except TimeoutError:
            await self._kill(process)

    async def _kill(self, process):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def close(self, session):
        process = self.processes.pop(session, None)
        if process is not None:
            await self._kill(process)
            process.stdin.close()
            shutil.rmtree(self.folders.pop(session))


@hookimpl
def adapters():
    """The one adapter."""
    yield AdapterSpec("live", "live:Live", "keeps interpreters alive, without a wall")
