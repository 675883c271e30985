"""The request as OpenAPI tells it on this very host: the languages, policies and adapters that are there, the limits
that each gives.

What the document calls valid is taken, and what it calls invalid is refused. So it is built from the host, not from the
models alone.
"""

from collections.abc import Mapping
from typing import Any

from host.host import Host
from host.http.problems import Problem
from host.http.views import RenewalRequest, SessionRequest, ValidationRequest
from host.models import ExecutionRequest
from host.policy import FileSystemAccess, Limits, Policy

__all__ = ["component_schemas"]

Schema = dict[str, Any]

_REF = "#/components/schemas/{model}"
_OUT = r"/\\\u0000-\u001f\u007f-\u009f"  # never in a path
_SEGMENT = rf"([^.{_OUT}][^{_OUT}]*|\.[^.{_OUT}][^{_OUT}]*|\.\.[^{_OUT}]+)"
_PATH = rf"^{_SEGMENT}(/{_SEGMENT})*$"
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_ID = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
_OWN_KEY = r"^([^$].*|\$\$.*)?$"

_TAGS: dict[str, Schema] = {  # those whose value is a text; docs tell of the others
    "bytes": {"contentEncoding": "base64", "pattern": _BASE64},
    "date": {"format": "date"},
    "datetime": {"format": "date-time"},
    "decimal": {"pattern": r"^-?[0-9]{1,100}(\.[0-9]{1,100})?$"},
    "duration": {"pattern": r"^-?PT[0-9]{1,10}(\.[0-9]{1,6})?S$"},
    "float": {"enum": ["nan", "inf", "-inf"]},
    "fraction": {"pattern": "^-?[0-9]{1,100}/[1-9][0-9]{0,99}$"},
    "int": {"pattern": "^-?[0-9]{1,1000}$"},
    "time": {"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"},
}

_EXAMPLE: Schema = {
    "code": "sum(Decimal(line['price']) * line['count'] for line in lines)",
    "language": "python",
    "inputs": {"lines": [{"price": {"$type": "decimal", "value": "19.99"}, "count": 3}]},
    "policy": "standard",
    "limits": {"max_execution_time": 2000},
    "actor": {"id": "agent-1", "type": "voice_agent"},
}


def component_schemas(host: Host) -> dict[str, Schema]:
    """The schemas of what comes in, by the name under which the routes refer to them."""
    policies = [policy for _, policy in sorted(host.policies.items())]
    request = ExecutionRequest.model_json_schema(ref_template=_REF)
    found: dict[str, Schema] = request.pop("$defs", {})
    found |= Problem.model_json_schema(ref_template=_REF).pop("$defs", {})
    problem = Problem.model_json_schema(ref_template=_REF)
    problem.pop("$defs", None)
    found |= {"Problem": problem, "TypedValue": _typed_value(), "ExecutionRequest": _request(request, host)}
    for policy in policies:
        found[_limits_name(policy)] = _limits(policy)
    found.pop("Limits", None)
    found["InputFile"] = _file()
    found["SessionRequest"] = _session_request(SessionRequest.model_json_schema(ref_template=_REF), host)
    found["RenewalRequest"] = _renewal(RenewalRequest.model_json_schema(ref_template=_REF), host)
    found["ValidationRequest"] = _judged(ValidationRequest.model_json_schema(ref_template=_REF), host)
    return found


def _request(schema: Schema, host: Host) -> Schema:
    fields = schema["properties"]
    fields["language"] = {"enum": _languages(host), "default": "python"}
    fields["inputs"] = _map_of_values() | {"description": "values by name, in the typed wire form"}
    fields["files"] = {"type": "array", "items": {"$ref": "#/components/schemas/InputFile"}, "default": []}
    fields["adapter"] = _or_null(
        {"enum": sorted(host.registry.names())}, "only this one; null leaves the choice to the host"
    )
    fields["session"] = {"type": "null", "description": "the id of a session, whose command it then is"}
    fields["idempotency_key"] = {"type": "null", "description": "not served by this host yet"}
    fields["id"] = _own_id()
    del fields["policy"], fields["limits"]  # the limits that may be set depend on the policy that they tighten
    variants = [_under(policy, fields, host, ["code"]) for policy in host.policies.values()]
    variants.append(_in_session(fields, host))
    return {"title": schema["title"], "description": schema["description"], "anyOf": variants, "examples": [_EXAMPLE]}


def _session_request(schema: Schema, host: Host) -> Schema:
    fields = schema["properties"]
    keep = {name: each.capabilities().session_languages for name, each in host.registry.adapters.items()}
    kept = {language for languages in keep.values() for language in languages}
    names = {name for spec in host.languages() if spec.name in kept for name in (spec.name, *spec.aliases)}
    fields["language"] = {"enum": sorted(names) or _languages(host), "default": "python"}
    able = sorted(name for name, languages in keep.items() if languages)
    fields["adapter"] = _or_null({"enum": able}) if able else {"type": "null"}
    fields["id"] = _own_id()
    _bound_times(fields, host)
    del fields["policy"], fields["limits"]
    variants = [_under(policy, fields, host, []) for policy in host.policies.values()]
    example = {"language": "python", "policy": "standard", "idle_ms": 60000}
    return {"title": schema["title"], "description": schema["description"], "anyOf": variants, "examples": [example]}


def _renewal(schema: Schema, host: Host) -> Schema:
    _bound_times(schema["properties"], host)
    return schema | {"examples": [{"idle_ms": 60000}]}


def _bound_times(fields: Schema, host: Host) -> None:
    settings = host.settings.sessions
    for name, most in (("idle_ms", settings.max_idle_ms), ("lifetime_ms", settings.max_lifetime_ms)):
        plain = {"type": "integer", "minimum": 1, "maximum": most}
        fields[name] = _or_null(plain, fields[name]["description"])


def _own_id() -> Schema:
    return {"type": "string", "pattern": _ID, "description": "an id of the caller's own; each is taken once"}


def _in_session(fields: Schema, host: Host) -> Schema:
    """A command: its session has the language, the policy and the adapter."""
    own = {name: field for name, field in fields.items() if name not in ("language", "adapter")}
    own["session"] = {"type": "string", "maxLength": 128, "description": "the id of the session"}
    own["limits"] = {"anyOf": [{"$ref": _REF.format(model=_limits_name(policy))} for policy in host.policies.values()]}
    return {
        "title": "a command of a session",
        "type": "object",
        "properties": own,
        "required": ["code", "session"],
        "additionalProperties": False,
    }


def _under(policy: Policy, fields: Schema, host: Host, required: list[str]) -> Schema:
    """A request that names ``policy``, or that gets it because it names none."""
    default = policy.name == host.settings.policies.default
    own = {
        "policy": _or_null({"const": policy.name}) if default else {"const": policy.name},
        "limits": {"$ref": _REF.format(model=_limits_name(policy))},
    }
    return {
        "title": f"under policy {policy.name}",
        "type": "object",
        "properties": {**fields, **own},
        "required": required if default else [*required, "policy"],
        "additionalProperties": False,
    }


def _limits_name(policy: Policy) -> str:
    return "LimitsUnder" + "".join(part.capitalize() for part in policy.name.replace("-", "_").split("_"))


def _limits(policy: Policy) -> Schema:
    """The limits that tighten ``policy``, and none that widen it."""
    given = Limits.model_json_schema()["properties"]
    fields = {}
    for name, schema in given.items():
        plain = dict(next(kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"))
        fields[name] = _or_null(_narrowed(plain, name, getattr(policy, name)), schema.get("description", ""))
    return {"type": "object", "properties": fields, "additionalProperties": False, "default": {}}


def _narrowed(plain: Schema, name: str, own: Any) -> Schema:
    if isinstance(own, bool):
        return {"type": "boolean"} if own else {"const": False}
    if isinstance(own, int):
        return plain | {"maximum": own}
    if name == "file_system_access":
        return {"enum": [each.value for each in FileSystemAccess if each.rank <= own.rank]}
    if own is None:  # any
        return plain
    if isinstance(own, Mapping):
        fields = {key: {"const": value} for key, value in own.items()}
        return {"type": "object", "properties": fields, "additionalProperties": False}
    return {"type": "array", "items": {"enum": list(own)}} if own else {"type": "array", "maxItems": 0}


def _judged(schema: Schema, host: Host) -> Schema:
    fields = schema["properties"]
    fields["language"] = {"enum": _languages(host), "default": "python"}
    fields["policy"] = _or_null({"enum": sorted(host.policies)}, "null is the default policy")
    example = {"code": "import os", "language": "python", "policy": "strict"}
    return schema | {"examples": [example]}


def _languages(host: Host) -> list[str]:
    return sorted({name for spec in host.languages() for name in (spec.name, *spec.aliases)})


def _file() -> Schema:
    return {
        "type": "object",
        "properties": {
            "path": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": _PATH,
                "description": "relative to the work folder, with /",
            },
            "content_base64": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
        },
        "required": ["path", "content_base64"],
        "additionalProperties": False,
        "examples": [{"path": "a.csv", "content_base64": "YSxiCjEsMgo="}],
    }


def _map_of_values() -> Schema:
    value = {"$ref": "#/components/schemas/TypedValue"}
    return {"type": "object", "patternProperties": {_OWN_KEY: value}, "additionalProperties": False}


def _typed_value() -> Schema:
    """Any JSON, with a tag where JSON has no type; a key of one's own that begins with $ has it doubled."""
    itself = {"$ref": "#/components/schemas/TypedValue"}
    kinds = [{"type": "null"}, {"type": "boolean"}, {"type": "number"}, {"type": "string"}]
    return {
        "description": 'Any JSON; what JSON has no type for is a tag, as {"$type": "decimal", "value": "1.10"}.',
        "anyOf": [*kinds, {"type": "array", "items": itself}, _map_of_values(), *map(_tag, _TAGS)],
    }


def _tag(name: str) -> Schema:
    return {
        "type": "object",
        "properties": {"$type": {"const": name}, "value": {"type": "string"} | _TAGS[name]},
        "required": ["$type", "value"],
        "additionalProperties": False,
    }


def _or_null(schema: Schema, description: str = "") -> Schema:
    return {"anyOf": [schema, {"type": "null"}], "default": None} | (
        {"description": description} if description else {}
    )
