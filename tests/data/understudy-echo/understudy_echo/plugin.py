"""What the plugin brings. Targets are dotted strings, so that listing them imports nothing else."""

from host.hookspecs import hookimpl
from host.specs import AdapterSpec, CommandSpec, LanguageSpec, RouteSpec


@hookimpl
def adapters():
    yield AdapterSpec("echo", "understudy_echo.adapter:EchoAdapter", "fills in templates of the language echo")


@hookimpl
def languages():
    yield LanguageSpec("echo", extensions=(".echo",))


@hookimpl
def validate_code(code, language, policy):
    if language != "echo":
        return None
    from host.models import Verdict

    return Verdict(verdict="safe", deterministic=True)


@hookimpl
def check_policy(request, policy):
    if "password" not in request.inputs:
        return None
    from host.interface import Refusal

    return Refusal(rule="no-passwords", reason="An input is named password.", remedy="Send a token instead.")


@hookimpl
def routes():
    yield RouteSpec("echo", "understudy_echo.http:router")


@hookimpl
def commands():
    yield CommandSpec("echo", "understudy_echo.cli:echo", "Say a text back.")
