"""A computation request in, a spoken sentence out."""

import re

import pytest

from host import build_host
from host.models import Actor, ExecutionResult, Status
from voice_handler import ComputationRequest, VoiceHandler
from voice_handler.plugin import spoken_sentence
from voice_handler.sentences import CANNOT_YET, sentence

_NEVER = re.compile(r"sandbox|monty|traceback|error|exception|/|\\|_|\(|`|\d", re.IGNORECASE)


async def _answer(state_dir, request, context=None, prefer=("monty", "placeholder"), **overrides):
    overrides = {"adapters__prefer": prefer, "adapters__sandbox__enabled": False, **overrides}
    async with build_host(state_dir=state_dir, **overrides) as host:
        answer = await VoiceHandler(host).handle_computation_request(request, context)
        record = await host.store.get(answer.result.id) if answer.result else None
    return answer, record


async def test_deferral(state_dir) -> None:
    """While nothing can run code the seed's deferral is said, word for word."""
    request = ComputationRequest("1 + 1", "add two numbers", "give you their sum")
    answer, _ = await _answer(state_dir, request, prefer=("placeholder",))
    assert answer.status is Status.NOT_IMPLEMENTED
    assert answer.spoken == (
        "I understand you want to add two numbers. While I can't execute code yet, "
        "I can explain that this would give you their sum."
    )


async def test_deferral_without_a_description(state_dir) -> None:
    """With nothing to describe it says the seed's other sentence."""
    answer, _ = await _answer(state_dir, ComputationRequest("1"), prefer=("placeholder",))
    assert answer.spoken == CANNOT_YET


async def test_deferral_with_the_placeholder_switched_off(state_dir) -> None:
    """Nothing may serve at all: the caller hears the deferral all the same."""
    request = ComputationRequest("1", "add", "add it up")
    answer, _ = await _answer(state_dir, request, prefer=())
    assert answer.result is None
    assert answer.spoken.startswith("I understand you want to add.")


async def test_value(state_dir) -> None:
    """The value is said in words, and the record says who asked."""
    request = ComputationRequest("price * 3", inputs={"price": 414})
    answer, record = await _answer(state_dir, request, {"actor": Actor(id="agent-1", type="voice_agent")})
    assert answer.spoken == "The answer is one thousand two hundred forty-two."
    assert answer.status is Status.SUCCEEDED
    assert record is not None


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("secret_name / 0", Status.FAILED),
        ("raise ValueError('/etc/passwd sandbox')", Status.FAILED),
        ("def f(:", Status.FAILED),
        ("while True: pass", Status.TIMED_OUT),
        ("'a' * 10 ** 12", Status.OUT_OF_MEMORY),
        ("import os", Status.DENIED),
        ("print('a' * 2000000)", Status.OUTPUT_LIMIT),
    ],
)
async def test_apologies(state_dir, code, status) -> None:
    """Whatever goes wrong, the apology holds no code, path, exception text or part of ours."""
    answer, _ = await _answer(state_dir, ComputationRequest(code))
    assert answer.status is status
    assert not _NEVER.search(answer.spoken), answer.spoken


async def test_what_never_became_an_execution(state_dir) -> None:
    """An unknown language or policy is an apology too, and nothing is raised."""
    for request in (ComputationRequest("1", language="cobol"), ComputationRequest("1", policy="nope")):
        answer, _ = await _answer(state_dir, request)
        assert answer.result is None
        assert not _NEVER.search(answer.spoken)


def test_every_status_has_a_sentence() -> None:
    """None is forgotten."""
    for status in Status:
        said = sentence(ExecutionResult(id="x", status=status, reason="/secret", language="python", policy="p"))
        assert said.endswith(".")
        assert not _NEVER.search(said)


def test_the_plugin_leaves_other_languages_to_others() -> None:
    """It speaks English; for anything else it says None."""
    result = ExecutionResult(id="x", status=Status.SUCCEEDED, value=1, language="python", policy="p")
    assert spoken_sentence(result, "en-GB") == "The answer is one."
    assert spoken_sentence(result, "de-DE") is None
