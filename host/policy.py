"""The security policy: what code may do. A policy is an upper bound; a request may tighten it, never widen it.

Every field has a bounded default. A limit of time counts in milliseconds, of memory in MiB, of output and files in
bytes.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from host.canonical import canonical, sha256
from host.errors import WidenedLimits

__all__ = [
    "ENFORCED_FIELDS",
    "AtLeastOne",
    "Enforcement",
    "FileSystemAccess",
    "Limits",
    "Policy",
    "Retain",
    "covers_egress",
    "covers_import",
]


class Enforcement(StrEnum):
    """How an adapter upholds one policy field, weakest first."""

    NONE = "none"
    """Not at all."""
    ADVICE = "advice"
    """A guard against honest mistakes; code that wants to can get around it."""
    GUEST = "guest"
    """Set from inside before the caller's code starts, and not revocable by it (rlimits, seccomp)."""
    WALL = "wall"
    """Held from outside the guest."""

    @property
    def rank(self) -> int:
        return _RANK[self]

    def upholds(self, required: "Enforcement") -> bool:
        """Whether this level is at least ``required``."""
        return _RANK[self] >= _RANK[required]


_RANK = {Enforcement.NONE: 0, Enforcement.ADVICE: 1, Enforcement.GUEST: 2, Enforcement.WALL: 3}


class FileSystemAccess(StrEnum):
    """What the program may do with files, narrowest first."""

    NONE = "none"
    """No files go in or out."""
    READ_ONLY = "read_only"
    """Files of the request can be read; nothing can be written that leaves the run."""
    SANDBOXED = "sandboxed"
    """A work folder of its own; files go in and out."""

    @property
    def rank(self) -> int:
        return list(FileSystemAccess).index(self)


ENFORCED_FIELDS: tuple[str, ...] = (
    "max_execution_time",
    "max_cpu_time",
    "max_memory_mb",
    "max_processes",
    "max_output_bytes",
    "max_file_bytes",
    "max_files",
    "allowed_imports",
    "network_access",
    "egress_allow",
    "file_system_access",
    "environment",
)
"""The fields that an adapter states an enforcement level for."""

_CEILINGS = (
    "max_execution_time",
    "max_cpu_time",
    "max_memory_mb",
    "max_processes",
    "max_output_bytes",
    "max_file_bytes",
    "max_files",
)

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]
_VariableValue = Annotated[str, Field(pattern=r"^[^\x00]*$")]
_Egress = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\*|[0-9]{1,5})$")]
_Import = Annotated[str, Field(min_length=1, max_length=256)]
_Frozen = ConfigDict(frozen=True, extra="forbid")


class Retain(BaseModel):
    """What the store keeps of an execution beside its hashes, which it always keeps, and for how long."""

    model_config = _Frozen

    code: bool = True
    inputs: bool = False
    outputs: bool = True
    days: int = Field(default=30, ge=1, le=3650)


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 5.0 is the integer 5 there, also where strings and the like are refused."""
    return int(value) if type(value) is float and value.is_integer() else value


AtLeastOne = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
_NotNegative = Annotated[int, Field(ge=0), BeforeValidator(_whole)]


class Limits(BaseModel):
    """What one request asks for below its policy. None leaves the policy's own value."""

    model_config = _Frozen

    max_execution_time: AtLeastOne | None = Field(default=None, description="wall-clock time, in ms")
    max_cpu_time: AtLeastOne | None = Field(default=None, description="CPU time, in ms")
    max_memory_mb: AtLeastOne | None = Field(default=None, description="memory of all processes together, in MiB")
    max_processes: AtLeastOne | None = Field(default=None, description="processes and threads at one time")
    max_output_bytes: _NotNegative | None = Field(
        default=None, description="stdout, stderr and value together, in bytes"
    )
    max_file_bytes: _NotNegative | None = Field(default=None, description="the whole work folder, in bytes")
    max_files: _NotNegative | None = Field(default=None, description="files and folders in the work folder")
    allowed_imports: tuple[_Import, ...] | None = None
    network_access: bool | None = None
    egress_allow: tuple[_Egress, ...] | None = None
    file_system_access: FileSystemAccess | None = None
    environment: Mapping[_Variable, _VariableValue] | None = None
    may_leave_machine: bool | None = None


class Policy(BaseModel):
    """What code may do, and how strongly each bound must be held.

    The first five limits and their defaults are the ones the project began with.
    """

    model_config = _Frozen

    name: _Name
    description: str = ""
    max_execution_time: int = Field(default=5000, ge=1, le=900_000, description="wall-clock time, in ms")
    max_memory_mb: int = Field(default=128, ge=1, le=1_048_576, description="memory of all processes together, in MiB")
    allowed_imports: tuple[_Import, ...] | None = Field(
        default=("math", "json", "datetime"),
        description="modules that code may import, each with what lies below it; null is any",
    )
    network_access: bool = False
    file_system_access: FileSystemAccess = FileSystemAccess.NONE
    max_cpu_time: int = Field(default=5000, ge=1, le=900_000, description="CPU time of all processes together, in ms")
    max_processes: int = Field(default=64, ge=1, le=4096, description="processes and threads at one time")
    max_output_bytes: int = Field(default=1_048_576, ge=0, le=1 << 30, description="stdout, stderr and value together")
    max_file_bytes: int = Field(default=16_777_216, ge=0, le=1 << 34, description="the whole work folder, in bytes")
    max_files: int = Field(default=256, ge=0, le=1_000_000, description="files and folders in the work folder")
    environment: Mapping[_Variable, _VariableValue] = Field(
        default_factory=dict, description="variables that the program sees"
    )
    egress_allow: tuple[_Egress, ...] = Field(
        default=(),
        description="host:port pairs it may reach if network_access is true; * is any host or port; empty is none",
    )
    may_leave_machine: bool = Field(default=True, description="whether a remote adapter may run it")
    guest_environment: _Name = Field(default="base", description="the set of packages that code may import from")
    retain: Retain = Retain()
    enforcement: Mapping[str, Enforcement] = Field(
        default_factory=dict, description="the least level required of an adapter, by field; absent is none"
    )

    @field_validator("enforcement")
    @classmethod
    def _known_fields(cls, value: Mapping[str, Enforcement]) -> Mapping[str, Enforcement]:
        unknown = sorted(set(value) - set(ENFORCED_FIELDS))
        if unknown:
            raise ValueError(
                f"no enforcement can be required for {', '.join(unknown)}; fields are {', '.join(ENFORCED_FIELDS)}"
            )
        return value

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "Policy":
        """As pydantic's, but a copy works its hash out anew: adapters know policies by it."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("sha256", None)
        return copied

    @cached_property
    def sha256(self) -> str:
        """The hash of everything that the policy says, in hexadecimal."""
        return sha256(canonical(self.model_dump(mode="json")))

    def required(self, field: str) -> Enforcement:
        """The least level at which an adapter has to uphold ``field``."""
        return self.enforcement.get(field, Enforcement.NONE)

    def widened_by(self, limits: Limits) -> list[str]:
        """The fields in which ``limits`` asks for more than this policy gives, one sentence each."""
        return [sentence for field, value in _given(limits) if (sentence := self._widens(field, value))]

    def tighten(self, limits: Limits) -> "Policy":
        """This policy with the request's limits, validated anew; name, enforcement and retention stay.

        Raises:
            WidenedLimits: the limits ask for more than this policy gives, so that no caller can widen one by mistake.
        """
        given = dict(_given(limits))
        if not given:
            return self
        if widened := self.widened_by(limits):
            raise WidenedLimits("; ".join(widened) + ".", remedy="Ask for less, or for a policy that gives more.")
        return Policy.model_validate({**self.model_dump(), **given})

    def _widens(self, field: str, value: Any) -> str | None:
        own = getattr(self, field)
        if field in _CEILINGS:
            wider = value > own
        elif field == "allowed_imports":
            wider = not all(covers_import(own, name) for name in value)
        elif field == "egress_allow":
            wider = not all(covers_egress(own, pair) for pair in value)
        elif field == "environment":
            wider = not value.items() <= own.items()
        elif field == "file_system_access":
            wider = value.rank > own.rank
        else:  # the two booleans: false is the tighter
            wider = value and not own
        return f"{field} {_say(value)} is more than policy {self.name} gives ({_say(own)})" if wider else None


def covers_import(allowed: Iterable[str] | None, name: str) -> bool:
    """Whether a list of allowed imports lets ``name`` in; None lets everything in.

    An entry allows itself and what lies below it: ``xml`` allows ``xml.dom`` too.
    """
    if allowed is None:
        return True
    return any(name == entry or name.startswith((entry + ".", entry + "/")) for entry in allowed)


def covers_egress(allowed: Iterable[str], pair: str) -> bool:
    """Whether a list of host:port pairs lets ``pair`` through; ``*`` stands for any host or any port."""
    host, _, port = pair.lower().rpartition(":")
    for entry in allowed:
        entry_host, _, entry_port = entry.lower().rpartition(":")
        if entry_host in ("*", host) and entry_port in ("*", port):
            return True
    return False


def _given(limits: Limits) -> list[tuple[str, Any]]:
    if not limits.model_fields_set:
        return []
    return [(field, value) for field in Limits.model_fields if (value := getattr(limits, field)) is not None]


def _say(value: Any) -> str:
    if isinstance(value, (tuple, Mapping)):  # of variables the names alone: their values may be secrets
        return ", ".join(value) or "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)
