"""An adapter for a language of its own: a program is a text in which ``{name}`` stands for an input."""

import re
import time

from host.interface import Capabilities, CheckResult, OutputEvent, Refusal
from host.models import ExecutionResult, Status, Usage
from host.policy import ENFORCED_FIELDS, Enforcement
from host.tables import AdapterTable

_PLACE = re.compile(r"\{(\w+)\}")


class EchoSettings(AdapterTable):
    table = "echo"

    shout: bool = False


class EchoAdapter:
    name = "echo"

    def __init__(self):
        # The language can do nothing but fill in text, so every bound is held from outside of the program.
        enforcement = dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL)
        self._capabilities = Capabilities(version="0.3.0", languages=("echo",), enforcement=enforcement, streaming=True)

    def capabilities(self):
        return self._capabilities

    async def start(self, context):
        self._settings = EchoSettings.read(context.settings)

    async def check(self):
        return CheckResult(ok=True, reason="it needs nothing from the machine.")

    def accepts(self, request, policy):
        if request.files:
            return Refusal(rule="files", reason="Templates take no files.", remedy="Send the text as an input.")
        return None

    async def execute(self, request, policy, emit):
        clock = time.perf_counter()
        missing = sorted({name for name in _PLACE.findall(request.code) if name not in request.inputs})
        text = _PLACE.sub(lambda match: str(request.inputs.get(match[1], "")), request.code)
        text = text.upper() if self._settings.shout else text
        status, reason = Status.SUCCEEDED, ""
        if missing:
            status, reason = Status.FAILED, f"The template names {', '.join(missing)}, which is no input."
        elif len(text.encode()) > policy.max_output_bytes:
            status, reason = Status.OUTPUT_LIMIT, f"The text is longer than {policy.max_output_bytes} bytes."
        value = text if status is Status.SUCCEEDED else None
        if value:
            emit(OutputEvent("stdout", value))
        return ExecutionResult(
            id=request.id,
            status=status,
            reason=reason,
            value=value,
            stdout=value or "",
            language=request.language,
            policy=policy.name,
            may_have_started=True,
            usage=Usage(wall_ms=(time.perf_counter() - clock) * 1000),
        )

    async def reap(self, dead_owners):
        return 0

    async def aclose(self):
        pass
