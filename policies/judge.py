"""The verdict: facts about code, measured against a policy."""

from collections.abc import Iterable, Mapping

from host.models import Risk, Severity, Verdict
from host.policy import Policy, covers_import
from policies.effects import is_effect_free
from policies.facts import Facts, Mark, Use, Weight
from policies.readers import READERS

__all__ = ["denied", "judge"]

_MAX_RISKS = 100
_ORDER = {Severity.DENY: 0, Severity.WARN: 1, Severity.INFO: 2}
_WITH_LIST = {Weight.REACH: Severity.DENY, Weight.TRICK: Severity.WARN, Weight.NOTE: None}
_WITHOUT_LIST = {Weight.REACH: Severity.WARN, Weight.TRICK: Severity.INFO, Weight.NOTE: Severity.INFO}


def judge(facts: Facts, language: str, policy: Policy, known: Mapping[str, Policy]) -> Verdict:
    """The verdict on facts under a policy.

    Args:
        facts: what the language's reader found.
        language: its proper name.
        policy: the policy that applies, tightened where the request tightens it.
        known: all named policies, to name one that allows what this one does not.
    """
    effect_free = is_effect_free(policy)
    if facts.error is not None:
        return Verdict(verdict="safe", effect_free=effect_free, error=_risk(facts.error, Severity.WARN))
    weights = _WITHOUT_LIST if policy.allowed_imports is None else _WITH_LIST
    risks = [_risk(mark, severity) for mark in facts.marks if (severity := weights[mark.weight]) is not None]
    if policy.allowed_imports is not None:
        uses = [use for use in facts.uses if not _covers(policy.allowed_imports, use)]
        risks.extend(_not_allowed(use, language, policy, known) for use in uses)
    risks.sort(key=lambda risk: (_ORDER[risk.severity], risk.line, risk.column))
    is_denied = bool(risks) and risks[0].severity is Severity.DENY
    return Verdict(
        verdict="denied" if is_denied else "safe",
        risks=_capped(risks),
        deterministic=not facts.doubt,
        effect_free=effect_free,
    )


def denied(rule: str, message: str, remedy: str, policy: Policy) -> Verdict:
    """The verdict on code that was not read at all."""
    risk = Risk(rule=rule, severity=Severity.DENY, line=0, column=0, message=message, remedy=remedy)
    return Verdict(verdict="denied", risks=(risk,), effect_free=is_effect_free(policy))


def _covers(allowed: Iterable[str] | None, use: Use) -> bool:
    if covers_import(allowed, use.name):
        return True
    return bool(use.members) and all(covers_import(allowed, f"{use.name}.{member}") for member in use.members)


def _not_allowed(use: Use, language: str, policy: Policy, known: Mapping[str, Policy]) -> Risk:
    own = known.get(policy.name)
    noun = READERS[language].noun
    others = [each for each in known.values() if each.name != policy.name and _covers(each.allowed_imports, use)]
    remedy = "Allow it in the policy's file"
    if own is not None and _covers(own.allowed_imports, use):
        remedy = "The request's own limits leave it out: name it in allowed_imports"
    elif others:
        narrowest = min(others, key=lambda each: (each.network_access, each.max_memory_mb, each.max_execution_time))
        remedy += f", or ask for policy {narrowest.name}"
    return Risk(
        rule="import-not-allowed",
        severity=Severity.DENY,
        line=use.line,
        column=use.column,
        message=f"The {noun} `{use.name[:200]}` is not in policy {policy.name}.",
        remedy=remedy + ".",
    )


def _risk(mark: Mark, severity: Severity) -> Risk:
    return Risk(
        rule=mark.rule,
        severity=severity,
        line=mark.line,
        column=mark.column,
        message=mark.message[:1000],
        remedy=mark.remedy,
    )


def _capped(risks: list[Risk]) -> tuple[Risk, ...]:
    if len(risks) <= _MAX_RISKS:
        return tuple(risks)
    rest = f"{len(risks) - _MAX_RISKS} more of the kind."
    more = Risk(rule="more-risks", severity=Severity.INFO, line=0, column=0, message=rest)
    return (*risks[:_MAX_RISKS], more)
