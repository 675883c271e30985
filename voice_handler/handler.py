"""The handler that a voice agent calls when someone asks for a computation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from host.errors import NothingCanServe, UnderstudyError
from host.events import get_logger
from host.models import Actor, ExecutionRequest, ExecutionResult, Status
from voice_handler.sentences import deferral, sentence

__all__ = ["Answer", "ComputationRequest", "VoiceHandler"]

_log = get_logger("understudy.voice")


@dataclass(frozen=True, slots=True)
class ComputationRequest:
    """What the caller asks for.

    Attributes:
        code: the program that the agent wrote for it.
        description: what the caller wants, as it goes on after "you want to".
        expected_outcome: what the computation would do, as it goes on after "this would".
        language: of the code.
        inputs: values that the program sees by name.
        policy: by name; the host's default where there is none.
    """

    code: str
    description: str = ""
    expected_outcome: str = ""
    language: str = "python"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say, and what it rests on.

    Attributes:
        spoken: one or two sentences in words.
        status: how the execution ended.
        result: the execution; None where the request never became one.
    """

    spoken: str
    status: Status
    result: ExecutionResult | None = None


class VoiceHandler:
    """Turns computation requests into spoken answers.

    Args:
        host: the ``Host`` that runs them.
    """

    def __init__(self, host: Any) -> None:
        self._host = host

    async def handle_computation_request(
        self, request: ComputationRequest, context: Mapping[str, Any] | None = None
    ) -> Answer:
        """Run the request and say what came of it. What goes wrong is said too; nothing is raised but cancellation.

        Args:
            request: what the caller asks for.
            context: of the call: ``actor`` (an ``Actor``, kept in the record) and ``locale``.
        """
        context = context or {}
        try:
            result = await self._host.execute(_execution(request, context))
        except NothingCanServe:
            return Answer(deferral(request.description, request.expected_outcome), Status.NOT_IMPLEMENTED)
        except (UnderstudyError, ValueError) as error:  # never became an execution; the operator's to look into
            _log.warning("voice_request_refused", error=str(error))
            return Answer(_APOLOGY, Status.DENIED)
        if result.status is Status.NOT_IMPLEMENTED:
            return Answer(deferral(request.description, request.expected_outcome), result.status, result)
        spoken = self._host.spoken_sentence(result, context.get("locale"))
        return Answer(spoken or sentence(result), result.status, result)


_APOLOGY = "I'm sorry, I can't do that calculation as it was asked."


def _execution(request: ComputationRequest, context: Mapping[str, Any]) -> ExecutionRequest:
    actor = context.get("actor")
    return ExecutionRequest(
        code=request.code,
        language=request.language,
        inputs=dict(request.inputs),
        policy=request.policy,
        actor=actor if isinstance(actor, Actor) else None,
    )
