"""``understudy validate``: what is wrong with a program, without running it."""

import asyncio

from host.cli.errors import FAILED, exit_code_for_status
from host.cli.options import CodeOption, FileArgument, JsonOption, LanguageOption, PolicyOption
from host.cli.reading import guess_language, read_code
from host.cli.session import session
from host.cli.showing import show_risks
from host.cli.terminal import console, print_json, waiting
from host.host import build_host
from host.logs import set_up_logs
from host.models import Status, Verdict

__all__ = ["validate"]


def validate(
    file: FileArgument = None,
    code: CodeOption = None,
    language: LanguageOption = None,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say what is wrong with a program, without running it.

    Exit codes: 0 it is safe, 1 it cannot be parsed, 2 bad usage, 3 it would be denied.
    """
    return asyncio.run(_validate(read_code(file, code), file, language, policy, as_json=as_json))


async def _validate(text: str, file: str | None, language: str | None, policy: str | None, *, as_json: bool) -> int:
    settings = session().settings()
    set_up_logs(settings.logs)
    # Nothing will run, so no adapter has to be started and checked first.
    settings = settings.with_overrides({f"adapters.{name}.enabled": False for name in settings.adapters.prefer})
    with waiting("Validating", quiet=as_json):
        async with build_host(settings) as host:
            verdict = await host.validate(text, language or guess_language(file, host.languages()), policy)
    if as_json:
        print_json(verdict.model_dump(mode="json"))
    else:
        _show(verdict)
    if verdict.verdict == "denied":
        return exit_code_for_status(Status.DENIED)
    return FAILED if verdict.error else 0


def _show(verdict: Verdict) -> None:
    out = console()
    out.print("cannot be parsed" if verdict.error and verdict.verdict != "denied" else verdict.verdict)
    show_risks((verdict.error,) if verdict.error else ())
    show_risks(risk for risk in verdict.risks if risk != verdict.error)
    out.print(f"deterministic  {'yes' if verdict.deterministic else 'no'}")
    out.print(f"effect-free    {'yes' if verdict.effect_free else 'no'}")
