"""The real service with an adapter that does what its code says. Run as a program it prints its address and serves
until it is told to stop.
"""

import asyncio
import sys

from host.hookspecs import hookimpl
from host.interface import OutputEvent
from host.models import Display, ExecutionResult, Risk, Verdict
from host.policy import Policy, Retain
from host.specs import AdapterSpec
from host.testing.uneventful import Uneventful


class Scripted(Uneventful):
    """An adapter whose programs are five.

    ``1 + 1`` gives 2, ``"wait"`` waits until it is stopped, ``briefly`` takes half a second, ``show`` shows its inputs,
    each a map of MIME types, the rest gives its inputs. A session keeps nothing; ``"die"`` ends its process.
    """

    name = "scripted"
    claims = {"session_languages": ("python",), "files": True}

    def __init__(self):
        self.began = asyncio.Event()
        self.stopped = asyncio.Event()
        self.sessions = set()

    async def execute(self, request, policy, emit):
        self.began.set()
        shared = {"id": request.id, "language": request.language, "policy": policy.name, "may_have_started": True}
        if request.code == '"wait"':
            emit(OutputEvent("stdout", "partial"))
            try:
                await asyncio.Event().wait()
            finally:
                self.stopped.set()
        if request.code == "briefly":
            await asyncio.sleep(0.5)
        value = 2 if request.code == "1 + 1" else request.inputs
        shown = [Display(data=each) for each in request.inputs.values()] if request.code == "show" else ()
        return ExecutionResult(status="succeeded", value=value, displays=shown, **shared)

    async def open(self, session, language, policy):
        self.sessions.add(session)

    async def run(self, session, request, policy, emit):
        if request.code == '"die"':
            self.sessions.discard(session)
        return await self.execute(request, policy, emit)

    def alive(self, session):
        return session in self.sessions

    async def close(self, session):
        self.sessions.discard(session)


class Rules:
    """A plugin with the scripted adapter, two policies, and a validation that knows one bad program and one broken
    one.
    """

    def __init__(self, scripted):
        self._scripted = scripted

    @hookimpl
    def adapters(self):
        yield AdapterSpec("scripted", lambda: self._scripted, "for the test")

    @hookimpl
    def named_policies(self, settings):
        yield Policy(name="strict")
        yield Policy(
            name="data",
            max_execution_time=30_000,
            allowed_imports=None,
            file_system_access="sandboxed",
            retain=Retain(inputs=True),
        )

    @hookimpl
    def validate_code(self, code, language, policy):
        if code == "import os":
            risk = Risk(rule="import", severity="deny", line=1, column=8, message="os is not in the policy.")
            return Verdict(verdict="denied", risks=(risk,))
        return Verdict(verdict="safe", deterministic=True, effect_free=True)


ONLY_SCRIPTED = {
    "adapters__prefer": ["scripted", "placeholder"],
    "adapters__sandbox__enabled": False,
    "adapters__monty__enabled": False,
    "plugins__entry_points": False,
    "plugins__disabled": ["policies.plugin", "voice_handler.plugin"],
}


def main():
    """``service.py STATE_DIR KEY=VALUE ...``."""
    from host.http.server import serve
    from host.logs import set_up_logs
    from host.settings import load_settings

    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    shared = {key.replace("__", "."): value for key, value in ONLY_SCRIPTED.items()}
    settings = load_settings(environ={}, overrides={**shared, "state_dir": sys.argv[1], "server.port": 0})
    settings = settings.with_overrides(
        {
            key: int(value) if value.isdigit() else [value] if key.endswith("s") else value
            for key, value in given.items()
        }
    )
    set_up_logs(settings.logs, serving=True)
    rules = {"rules": Rules(Scripted())}
    serve(
        settings,
        plugins=rules,
        on_ready=lambda url: print(url, flush=True),  # noqa: T201 - its caller reads it
    )


if __name__ == "__main__":
    main()
