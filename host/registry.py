"""The adapters by name, and the choice among them: who may serve a request, and why not the others."""

import functools
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from host.errors import UnknownAdapter
from host.interface import Adapter, CheckResult, Refusal
from host.models import ExecutionRequest, Explanation
from host.policy import Policy
from host.switchboard import Lane

__all__ = ["Choice", "Registry"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The adapter that serves, or None; and for every adapter why it was or was not chosen.

    ``declined`` is true where an adapter that runs code is ready but policy, language or the adapter itself said no;
    ``busy`` where one would have served it but for the many that wait already (its refusal's rule is ``busy``).
    """

    adapter: Adapter | None
    explain: tuple[Explanation, ...]
    declined: bool = False
    busy: bool = False


class Registry:
    """Every adapter that is started, and the names of those that are not, with the reason."""

    def __init__(self) -> None:
        self._adapters: dict[str, Adapter] = {}
        self._absent: dict[str, Refusal] = {}
        self._shortfalls: dict[tuple[str, str, str], str] = {}

    def add(self, adapter: Adapter) -> None:
        self._adapters[adapter.name] = adapter
        self._absent.pop(adapter.name, None)

    def leave_out(self, name: str, why: Refusal) -> None:
        """Note that an adapter is known but not in use."""
        self._adapters.pop(name, None)
        self._absent[name] = why

    def sort(self, key: Callable[[str], int]) -> None:
        """Put the adapters in the order of ``key``, whatever order they started in."""
        self._adapters = dict(sorted(self._adapters.items(), key=lambda item: key(item[0])))

    def names(self) -> tuple[str, ...]:
        """Every known adapter, in use or not."""
        return (*self._adapters, *self._absent)

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """Those in use."""
        return self._adapters

    @property
    def absent(self) -> Mapping[str, Refusal]:
        """Those that are known but not in use, and why."""
        return self._absent

    def get(self, name: str) -> Adapter:
        """The adapter in use by that name.

        Raises:
            UnknownAdapter: there is none.
        """
        try:
            return self._adapters[name]
        except KeyError:
            raise UnknownAdapter(
                f"no adapter in use is named {name!r}.", remedy=f"Adapters are {', '.join(self.names())}."
            ) from None

    def supported_languages(self, serving: Iterable[str]) -> tuple[str, ...]:
        """The languages that the named adapters speak, sorted."""
        return tuple(sorted({lang for name in serving for lang in self._adapters[name].capabilities().languages}))

    def choose(
        self, request: ExecutionRequest, policy: Policy, lanes: tuple[Lane, ...], checks: Mapping[str, CheckResult]
    ) -> Choice:
        """The first adapter on the switchboard that may serve; only the named one where the request names one.

        Raises:
            UnknownAdapter: the request names an adapter that is not known.
        """
        if request.adapter is not None:
            return self._named(request, policy, checks)
        explain: list[Explanation] = []
        chosen: Adapter | None = None
        declined = busy = False
        for lane in lanes:
            adapter = self._adapters[lane.adapter]
            if chosen is not None:
                explain.append(_no(adapter.name, f"{chosen.name} comes before it."))
                continue
            refusal = self.refusal(adapter, request, policy)
            if refusal is None and lane.weight < 100 and random.randrange(100) >= lane.weight:  # noqa: S311 - a share, no secret
                refusal = Refusal(rule="share", reason=f"it takes {lane.weight} % of the requests, and not this one.")
            if refusal is None:
                chosen = adapter
                explain.append(_yes(adapter.name, runs_code=adapter.capabilities().runs_code, first=not explain))
            else:
                declined = declined or adapter.capabilities().runs_code
                busy = busy or refusal.rule == "busy"
                explain.append(_no(adapter.name, refusal.reason, refusal.remedy))
        serving = {lane.adapter for lane in lanes}
        explain.extend(self._out_of_service(name, checks) for name in self.names() if name not in serving)
        return Choice(chosen, tuple(explain), declined, busy)

    def _named(self, request: ExecutionRequest, policy: Policy, checks: Mapping[str, CheckResult]) -> Choice:
        name = request.adapter or ""
        if name in self._absent:
            return Choice(None, (self._out_of_service(name, checks),))
        adapter = self.get(name)
        check = checks.get(name)
        if check is not None and not check.ok:
            return Choice(None, (self._out_of_service(name, checks),))
        refusal = self.refusal(adapter, request, policy)
        if refusal is not None:
            explain = (_no(name, refusal.reason, refusal.remedy),)
            return Choice(None, explain, declined=True, busy=refusal.rule == "busy")
        reason = "The request names it." if request.session is None else "It keeps the session."
        return Choice(
            adapter,
            (Explanation.model_construct(adapter=name, chosen=True, reason=reason, remedy=""),),
        )

    def refusal(self, adapter: Adapter, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Why ``adapter`` may not serve the request under ``policy``, or None."""
        capabilities = adapter.capabilities()
        language = request.language
        if language not in capabilities.languages:
            return Refusal(
                rule="language", reason=f"it does not run {language}; it runs {', '.join(capabilities.languages)}."
            )
        if request.session is not None and language not in capabilities.session_languages:
            return Refusal(rule="session", reason=f"it keeps no sessions of {language}.")
        if capabilities.runs_code:
            key = (adapter.name, policy.sha256, language)
            short = self._shortfalls.get(key)
            if short is None:
                short = self._remember(key, "; ".join(capabilities.shortfalls(policy, language)))
            if short:
                remedy = "Choose another adapter, or a policy that requires less."
                return Refusal(rule="enforcement", reason=short + ".", remedy=remedy)
            if capabilities.remote and not policy.may_leave_machine:
                return Refusal(
                    rule="leaves-machine", reason=f"policy {policy.name} does not let code leave this machine."
                )
        return adapter.accepts(request, policy)

    def forget_enforcement(self) -> None:
        """Called after checks: what an adapter can hold may have changed."""
        self._shortfalls.clear()

    def _remember(self, key: tuple[str, str, str], short: str) -> str:
        if len(self._shortfalls) >= 4096:  # a caller may tighten a policy in endless ways
            self._shortfalls.clear()
        self._shortfalls[key] = short
        return short

    def _out_of_service(self, name: str, checks: Mapping[str, CheckResult]) -> Explanation:
        absent = self._absent.get(name)
        if absent is not None:
            return _no(name, absent.reason, absent.remedy)
        check = checks.get(name)
        if check is None or check.ok:
            return _no(name, "it is not in the order of adapters.prefer.", f"Add {name!r} to adapters.prefer.")
        return _no(name, f"it is not ready: {check.reason}", check.remedy)


# Explanations are frozen, and the same from run to run: they are made once.


@functools.lru_cache(maxsize=256)
def _yes(name: str, *, runs_code: bool, first: bool) -> Explanation:
    reason = (
        "First choice, ready, and upholds the policy."
        if first
        else "The first that is ready and may serve this request."
    )
    if not runs_code:
        reason = "Nothing that runs code may serve this request, so it stands in."
    return Explanation(adapter=name, chosen=True, reason=reason)


@functools.lru_cache(maxsize=256)
def _no(name: str, reason: str, remedy: str = "") -> Explanation:
    return Explanation(adapter=name, chosen=False, reason=reason, remedy=remedy)
