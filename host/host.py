"""The host: it puts the parts together, starts and stops them, and answers what callers ask."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

from host.dispatch import Dispatcher
from host.errors import AdapterError, HostClosing
from host.events import get_logger
from host.following import Following
from host.interface import Adapter, AdapterContext, CheckResult, Emit, Finding, Refusal, discard
from host.models import ExecutionRequest, ExecutionResult, Explanation, Verdict
from host.plugins import Plugins, load_plugins
from host.policy import Policy
from host.registry import Registry
from host.sessions import SessionDoor, Sessions
from host.settings import Settings, load_settings
from host.specs import AdapterSpec, LanguageSpec, load_target
from host.store import open_store
from host.store.interface import Store
from host.store.owners import OwnerLock, lives, recover_dead
from host.streams import Stream, StreamEvent
from host.switchboard import Switchboard

__all__ = ["Host", "build_host"]

_log = get_logger("understudy.host")


@asynccontextmanager
async def build_host(
    settings: Settings | None = None,
    *,
    plugins: Mapping[str, object] | None = None,
    only_language: str | None = None,
    **overrides: Any,
) -> AsyncIterator["Host"]:
    """A running host, closed at the end of the block.

    Args:
        settings: all settings; by default they are read from the configuration files and the environment.
        plugins: more plugins by name, beside the built-in and the installed ones.
        only_language: the one language that will be asked for; adapters then start sooner, with that one alone.
        overrides: single settings, by dotted name with ``__`` for the dot: ``policies__default="standard"``.

    Raises:
        ConfigurationError: a setting or a policy file is wrong.
        PluginError: a required plugin is missing or broken.
        StoreError: the store cannot be opened.

    Example::

        async with build_host() as host:
            result = await host.execute(ExecutionRequest(code="1 + 1"))
    """
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    if settings is None:
        settings = load_settings(overrides=dotted)
    elif dotted:
        settings = settings.with_overrides(dotted)
    host = await Host.start(settings, extra_plugins=plugins, only_language=only_language)
    try:
        yield host
    finally:
        await host.aclose()


class Host(SessionDoor):
    """Runs code for its callers. Made by ``build_host``.

    Attributes:
        settings: what it was built with.
        plugins: those in use, and those that were dropped with the reason.
        policies: the named policies.
        registry: the adapters.
        switchboard: which of them serve now.
        store: the records.
        checks: the last check of each adapter, by name.
        owner: this host's id in records and labels.
    """

    def __init__(
        self,
        settings: Settings,
        plugins: Plugins,
        policies: Mapping[str, Policy],
        store: Store,
        lock: OwnerLock,
        only_language: str | None = None,
    ) -> None:
        self.settings = settings
        self.plugins = plugins
        self.policies: Mapping[str, Policy] = MappingProxyType(dict(policies))
        self.store = store
        self.owner = lock.id
        self.checks: dict[str, CheckResult] = {}
        self.registry = Registry()
        self.switchboard = Switchboard(self._switched)
        self._lock = lock
        self._languages = plugins.languages()
        names = {name: spec.name for spec in self._languages for name in (spec.name, *spec.aliases)}
        self._only_languages = (names[only_language],) if only_language in names else None
        self._closing = False
        self._closed = asyncio.Event()
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._sessions = Sessions(
            settings=settings.sessions,
            registry=self.registry,
            switchboard=self.switchboard,
            checks=self.checks,
            plugins=plugins,
            store=store,
            owner=self.owner,
            is_alive=partial(lives, store, lock),
            cancel=self.cancel,
        )
        self._dispatcher = Dispatcher(
            plugins=plugins,
            policies=self.policies,
            default_policy=settings.policies.default,
            registry=self.registry,
            switchboard=self.switchboard,
            checks=self.checks,
            store=store,
            owner=self.owner,
            language_names=names,
            sessions=self._sessions,
        )
        self._following = Following(
            settings.streams, self._dispatcher.running, self._execute, self.cancel, store, self.owner
        )

    @classmethod
    async def start(
        cls,
        settings: Settings,
        *,
        extra_plugins: Mapping[str, object] | None = None,
        only_language: str | None = None,
    ) -> "Host":
        """Load plugins and policies, open the store, settle what dead hosts left, start adapters, pick who serves."""
        plugins = load_plugins(
            disabled=settings.plugins.disabled,
            required=settings.plugins.required,
            use_entry_points=settings.plugins.entry_points,
            extra=extra_plugins,
        )
        policies = plugins.named_policies(settings)
        store = await open_store(
            settings.store.url,
            state_dir=settings.state_dir,
            durability=settings.store.durability,
            retain_days=settings.store.retain_days,
        )
        try:
            lock = OwnerLock.acquire(settings.state_dir)
        except BaseException:
            await store.aclose()
            raise
        try:
            dead, interrupted = await recover_dead(store, lock)
            if interrupted:
                _log.warning("interrupted", executions=interrupted, dead_owners=dead)
            await store.purge()
            await store.register(lock.info)
            host = cls(settings, plugins, policies, store, lock, only_language)
        except BaseException:
            await store.aclose()
            lock.release()
            raise
        try:
            host._dispatcher.policy(None)  # a default policy that is not there refuses the start
            await host._start_adapters(dead)
            lock.forget()
            await plugins.started(host)
        except BaseException:
            await host.aclose(grace_ms=0)
            raise
        return host

    # --- what callers ask ---------------------------------------------------------------------------------------------

    async def execute(self, request: ExecutionRequest, emit: Emit = discard) -> ExecutionResult:
        """Run one request and answer with its recorded result, whatever became of the program.

        Cancelling this call stops the program: when ``CancelledError`` comes back it is dead and its record is written.

        Args:
            request: what to run.
            emit: called with output and displays as they happen.

        Raises:
            RequestError: it never became an execution (unknown policy, widened limits, an id that is taken ...).
            NothingCanServe: no adapter may run it and the placeholder is switched off.
            StoreError: the record could not be written.
            HostClosing: the host is shutting down.
        """
        return await self._execute(request, None, emit)

    async def _execute(self, request: ExecutionRequest, stream: Stream | None, emit: Emit = discard) -> ExecutionResult:
        with self._admitted():
            return await self._dispatcher.execute(request, emit, stream)

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        """What goes on in the block is waited for when the host closes; where it closes already, nothing does."""
        if self._closing:
            raise HostClosing("the host is shutting down.", remedy="Send the request to another host, or again later.")
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    def stream(self, request: ExecutionRequest, *, linger_ms: int = 0) -> AsyncGenerator[StreamEvent, None]:
        """Run one request and tell what happens: started, output and displays as they come, and last the result.

        The events are numbered 1, 2, 3 ... What never runs (denied ...) has one event, its result. Nothing happens
        before the first event is asked for. Closing the iterator stops the program as cancelling ``execute`` does;
        ``contextlib.aclosing`` closes it at the end of a block, and waits.

        Args:
            request: what to run.
            linger_ms: how long the program goes on when nobody follows it, for somebody who comes back with
                ``attach``. Then closing the iterator does not stop it; where it is 0, closing does, whoever else
                follows.

        Raises:
            UnderstudyError: as ``execute``, while iterating.

        Example::

            async with aclosing(host.stream(ExecutionRequest(code="print('hello')"))) as events:
                async for seq, event in events:
                    print(seq, event)
        """
        return self._following.stream(request, linger_ms)

    def attach(self, execution_id: str, after: int = 0) -> AsyncGenerator[StreamEvent, None]:
        """Follow an execution that is going on, or has just ended, from the event that comes after number ``after``.

        Any may be followed, however it was asked for, by any number. Of one that ended longer ago
        (``streams.keep_ms``) there is one event, the result as its record has it. Closing the iterator stops nothing.

        Raises:
            UnknownExecution: no execution has that id.
            OwnedElsewhere: another host runs it.
            SequenceAhead: it has not come as far as ``after``.
            UnderstudyError: what ended it without a result.
        """
        return self._following.attach(execution_id, after)

    async def cancel(self, execution_id: str, because: str = "The run was cancelled.") -> bool:
        """Stop a program. When this returns it is dead and recorded; False where none by that id runs here.

        One whose program has not been started yet is recorded as cancelled too, and its program never starts.
        """
        return await self._dispatcher.cancel(execution_id, because)

    async def validate(self, code: str, language: str, policy_name: str | None = None) -> Verdict:
        """What validation says of the code under a policy, without running it.

        Raises:
            UnknownLanguage, UnknownPolicy: nothing has that name.
        """
        language = self._dispatcher.language(language)
        return await self.plugins.validate(code, language, self._dispatcher.policy(policy_name))

    def explain(self, request: ExecutionRequest) -> tuple[Explanation, ...]:
        """For every adapter why it would or would not be chosen for the request now. Nothing is run or recorded.

        Raises:
            RequestError: it could not become an execution.
        """
        request, policy = self._dispatcher.resolve(request)
        return self.registry.choose(request, policy, self.switchboard.lanes, self.checks).explain

    def languages(self) -> tuple[LanguageSpec, ...]:
        """Every language that a request may name."""
        return self._languages

    def supported_languages(self) -> tuple[str, ...]:
        """The languages that the adapters which serve now speak, sorted."""
        return self.registry.supported_languages(self.switchboard.current)

    def spoken_sentence(self, result: ExecutionResult, locale: str | None = None) -> str | None:
        """The result as a sentence that can be spoken, where a plugin can make one."""
        sentence: str | None = self.plugins.first(
            "spoken_sentence", result=result, locale=locale or self.settings.locale
        )
        return sentence

    @property
    def closing(self) -> bool:
        """Whether the host is shutting down and takes nothing new."""
        return self._closing

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the executions that were accepted here and have no record yet."""
        return tuple(self._dispatcher.running)

    # --- adapters -----------------------------------------------------------------------------------------------------

    async def check_adapters(self, names: Iterable[str] | None = None) -> Mapping[str, CheckResult]:
        """Check adapters (all by default) at the same time, and remember what they said.

        Raises:
            UnknownAdapter: one of the names is not in use.
        """
        chosen = (
            [self.registry.get(name) for name in names] if names is not None else list(self.registry.adapters.values())
        )
        results = await asyncio.gather(*map(_checked, chosen))
        self.checks.update({adapter.name: result for adapter, result in zip(chosen, results, strict=True)})
        self.registry.forget_enforcement()
        return self.checks

    async def _start_adapters(self, dead_owners: tuple[str, ...]) -> None:
        specs = self.plugins.adapters()
        await asyncio.gather(*(self._start_adapter(spec, dead_owners) for spec in specs))
        order = {spec.name: place for place, spec in enumerate(specs)}
        self.registry.sort(key=lambda name: order[name])

    async def _start_adapter(self, spec: AdapterSpec, dead_owners: tuple[str, ...]) -> None:
        if not self.settings.adapters.enabled(spec.name, opt_in=spec.opt_in):
            reason = (
                "it costs money or lets code leave the machine, so it waits to be enabled."
                if spec.opt_in
                else "it is disabled."
            )
            remedy = f"Set adapters.{spec.name}.enabled = true."
            self.registry.leave_out(spec.name, Refusal(rule="disabled", reason=reason, remedy=remedy))
            return
        try:
            adapter = await asyncio.to_thread(lambda: load_target(spec.target)())
            if not isinstance(adapter, Adapter) or adapter.name != spec.name:
                raise TypeError(f"{spec.target} is not an adapter named {spec.name!r}")
            await adapter.start(self._context(spec.name))
            adapter.capabilities()
        except Exception as error:  # noqa: BLE001 - isolated per adapter: shown as absent with its reason
            self._adapter_broken(spec, error)
            return
        self.registry.add(adapter)
        if dead_owners:
            await self._reap(adapter, dead_owners)

    def _context(self, name: str) -> AdapterContext:
        return AdapterContext(
            settings=self.settings.adapters.table(name),
            state_dir=self.settings.state_dir,
            owner=self.owner,
            languages=self._only_languages,
            policy=self.policies.get(self.settings.policies.default),
        )

    def _adapter_broken(self, spec: AdapterSpec, error: Exception) -> None:
        remedy = error.remedy if isinstance(error, AdapterError) else ""
        message = error.message if isinstance(error, AdapterError) else f"{type(error).__name__}: {error}"
        self.registry.leave_out(spec.name, Refusal(rule="broken", reason=f"it cannot start: {message}", remedy=remedy))
        if not isinstance(error, AdapterError):
            self.plugins.drop("adapters", spec.name, f"its adapter {spec.name!r} cannot start: {message}")
            _log.error("adapter_broken", adapter=spec.name, exc_info=error)

    async def _reap(self, adapter: Adapter, dead_owners: tuple[str, ...]) -> None:
        try:
            removed = await adapter.reap(dead_owners)
        except Exception as error:  # noqa: BLE001 - what is left behind must not keep the host from serving
            _log.error("reap_failed", adapter=adapter.name, exc_info=error)
        else:
            if removed:
                _log.warning("reaped", adapter=adapter.name, removed=removed, dead_owners=dead_owners)

    def _switched(self, before: tuple[str, ...], after: tuple[str, ...], reason: str) -> None:
        _log.info("adapters_switched", before=before, after=after, reason=reason)
        self.plugins.observe("adapters_switched", before=before, after=after, reason=reason)

    # --- the end ------------------------------------------------------------------------------------------------------

    async def aclose(self, grace_ms: int | None = None) -> None:
        """Take nothing new, let what runs finish within ``grace_ms``, stop and record the rest, give everything back.

        Args:
            grace_ms: by default the setting ``server.shutdown_grace_ms``.
        """
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        grace = self.settings.server.shutdown_grace_ms if grace_ms is None else grace_ms
        try:
            await self.plugins.stopping(self)
            await self._drain(grace / 1000)
            await self._sessions.aclose()
        finally:
            await self._give_back()
            self._closed.set()

    async def _drain(self, grace_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)
        because = "The host shut down before the program ended."
        while self._active:  # a request that was still being validated may start its program only now
            await asyncio.gather(*(self.cancel(name, because) for name in self.running))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), 0.05)

    async def _give_back(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._lock.release)
            stack.callback(self._following.close)
            stack.push_async_callback(self.store.aclose)
            for adapter in self.registry.adapters.values():
                stack.push_async_callback(_closed_quietly, adapter)


async def _closed_quietly(adapter: Adapter) -> None:
    try:
        await adapter.aclose()
    except Exception as error:  # noqa: BLE001 - the others still have to be closed
        _log.error("adapter_close_failed", adapter=adapter.name, exc_info=error)


async def _checked(adapter: Adapter) -> CheckResult:
    """The adapter's own check, timed; one that raises is not ready."""
    clock = time.perf_counter()
    try:
        result = await adapter.check()
    except Exception as error:  # noqa: BLE001 - a check that raises is a finding
        reason = f"its check raised {type(error).__name__}: {error}"
        return CheckResult(ok=False, reason=reason, findings=(Finding(name="check", ok=False, reason=reason),))
    if result.latency_ms is None:
        return result.model_copy(update={"latency_ms": (time.perf_counter() - clock) * 1000})
    return result
