"""The hooks. A plugin is a module (or object) with functions marked ``@hookimpl`` that have these names.

Each docstring states what a failure does: *isolated* (the plugin's contribution is dropped and shown), *fails closed*
(the run is denied) or *observer* (logged, and the work goes on).
"""

from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from host.interface import Refusal
    from host.models import ExecutionRequest, ExecutionResult, Verdict
    from host.policy import Policy
    from host.sessions import SessionInfo
    from host.specs import AdapterSpec, CheckSpec, CommandSpec, LanguageSpec, RouteSpec

__all__ = ["hookimpl", "hookspec"]

hookspec = HookspecMarker("understudy")
hookimpl = HookimplMarker("understudy")


@hookspec
def adapters() -> "Iterable[AdapterSpec]":  # type: ignore[empty-body]
    """Adapters that this plugin brings. Isolated.

    Example::

        @hookimpl
        def adapters():
            yield AdapterSpec("echo", "my_plugin.echo:EchoAdapter", "answers with the code itself")
    """


@hookspec
def languages() -> "Iterable[LanguageSpec]":  # type: ignore[empty-body]
    """Languages that a request may name. Isolated.

    Example::

        @hookimpl
        def languages():
            yield LanguageSpec("lua", extensions=(".lua",))
    """


@hookspec
def named_policies(settings: Any) -> "Iterable[Policy]":  # type: ignore[empty-body]
    """Policies by name. Fails closed: a plugin whose policies cannot be read refuses the start.

    Args:
        settings: the host's ``Settings``.

    Example::

        @hookimpl
        def named_policies(settings):
            yield Policy(name="reports", max_memory_mb=256, allowed_imports=("csv", "statistics"))
    """


@hookspec
def check_policy(request: "ExecutionRequest", policy: "Policy") -> "Refusal | None":
    """Deny a request, before validation and for any adapter. Fails closed: a check that raises denies the run.

    Example::

        @hookimpl
        def check_policy(request, policy):
            if request.actor is None:
                return Refusal(rule="who", reason="this host runs nothing for nobody.", remedy="Send an actor.")
    """


@hookspec
def validate_code(code: str, language: str, policy: "Policy") -> "Verdict | Awaitable[Verdict] | None":
    """What is wrong with the code under the policy; None for a language that this plugin does not know. Fails closed.

    Every plugin's verdict counts: one ``denied`` denies, ``deterministic`` only if all that answer say so. Where no
    plugin answers the run is denied. A slow validator returns an awaitable.

    Example::

        @hookimpl
        def validate_code(code, language, policy):
            if language == "lua":
                return Verdict(verdict="safe")
    """


@hookspec
def routes() -> "Iterable[RouteSpec]":  # type: ignore[empty-body]
    """HTTP routes. Isolated.

    Example::

        @hookimpl
        def routes():
            yield RouteSpec("quotes", "my_plugin.http:router")
    """


@hookspec
def commands() -> "Iterable[CommandSpec]":  # type: ignore[empty-body]
    """CLI commands, named lazily: the target is imported when the command runs. Isolated.

    Example::

        @hookimpl
        def commands():
            yield CommandSpec("greet", "my_plugin.cli:greet", "Say hello.")
    """


@hookspec
def checks() -> "Iterable[CheckSpec]":  # type: ignore[empty-body]
    """What ``understudy doctor`` looks at beside the adapters. Isolated.

    Example::

        @hookimpl
        def checks():
            yield CheckSpec("licence", "my_plugin.checks:licence")
    """


@hookspec
def host_started(host: Any) -> "Awaitable[None] | None":
    """The adapters are started and nothing is served yet. The readiness plugin fills the switchboard here. Isolated.

    Example::

        @hookimpl
        async def host_started(host):
            await warm_caches(host.settings)
    """


@hookspec
def host_stopping(host: Any) -> "Awaitable[None] | None":
    """The host takes nothing new and is about to close its adapters. Observer.

    Example::

        @hookimpl
        async def host_stopping(host):
            await flush()
    """


@hookspec
def execution_started(request: "ExecutionRequest", policy: "Policy", adapter: str) -> None:
    """A program is about to start; its intent is recorded. Observer.

    Example::

        @hookimpl
        def execution_started(request, policy, adapter):
            running.add(request.id)
    """


@hookspec
def execution_finished(request: "ExecutionRequest", result: "ExecutionResult") -> None:
    """An execution has its final record. Observer.

    Example::

        @hookimpl
        def execution_finished(request, result):
            counter.labels(result.status, result.adapter).inc()
    """


@hookspec
def session_opened(session: "SessionInfo") -> None:
    """A session takes commands from now on. Observer.

    Example::

        @hookimpl
        def session_opened(session):
            live.add(session.id)
    """


@hookspec
def session_ended(session: "SessionInfo") -> None:
    """A session is over: ``ended_by`` and ``reason`` say why, ``used`` what its commands used in all. Observer.

    Example::

        @hookimpl
        def session_ended(session):
            live.discard(session.id)
    """


@hookspec
def adapters_switched(before: "tuple[str, ...]", after: "tuple[str, ...]", reason: str) -> None:
    """The switchboard was replaced: the adapters that serve, first choice first. Observer.

    Example::

        @hookimpl
        def adapters_switched(before, after, reason):
            tell_the_team(f"{after[0]} now serves: {reason}")
    """


@hookspec(firstresult=True)
def spoken_sentence(result: "ExecutionResult", locale: str) -> str | None:
    """The result as one sentence that can be spoken; None leaves it to the next plugin. Observer.

    Example::

        @hookimpl
        def spoken_sentence(result, locale):
            if locale == "tlh":
                return in_klingon(result)
    """
