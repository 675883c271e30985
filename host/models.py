"""What comes in and what goes out: ``ExecutionRequest`` and ``ExecutionResult``, frozen, and their parts.

In Python a value is a Python value (``Decimal``, ``date``, ``Table`` ...). In JSON it is the typed wire form of
``host.values``: ``model_validate_json`` reads it and ``model_dump(mode="json")`` writes it.
"""

import base64
import os
import re
import time
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    computed_field,
    field_serializer,
    field_validator,
)

from host import values
from host.canonical import canonical, sha256
from host.displays import Display
from host.policy import Limits

__all__ = [
    "Actor",
    "Display",
    "ExecutionRequest",
    "ExecutionResult",
    "Explanation",
    "File",
    "Priced",
    "Provenance",
    "Risk",
    "Severity",
    "Status",
    "Usage",
    "Verdict",
    "checked_id",
    "new_id",
]

_Frozen = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_NOT_IN_PATHS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\ud800-\udfff]")


def new_id() -> str:
    """A new execution id: a UUIDv7, so that ids sort by time."""
    millis = time.time_ns() // 1_000_000
    bits = int.from_bytes(os.urandom(10), "big")
    high = f"{millis << 16 | 0x7000 | bits >> 62 & 0xFFF:016x}"
    low = f"{0b10 << 62 | bits & (1 << 62) - 1:016x}"
    return f"{high[:8]}-{high[8:12]}-{high[12:]}-{low[:4]}-{low[4:]}"


def checked_id(value: str) -> str:
    """``value``, which a caller wants as an id.

    Raises:
        ValueError: it cannot be one.
    """
    if not _ID.fullmatch(value):
        raise ValueError("an id is 1 to 128 letters, digits and . _ : -, and begins with a letter or digit")
    return value


class Status(StrEnum):
    """How an execution ended. The list is closed, and only the host sets it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The program itself: an exception, a syntax error, an exit code other than 0."""
    TIMED_OUT = "timed_out"
    """Wall-clock or CPU time was used up."""
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    """It wrote more than the policy lets out."""
    KILLED = "killed"
    """A signal ended it that was not a limit's."""
    CANCELLED = "cancelled"
    DENIED = "denied"
    """Policy or validation said no; nothing was run."""
    NOT_IMPLEMENTED = "not_implemented"
    """Nothing can run it now; the placeholder answered."""
    ADAPTER_FAILED = "adapter_failed"
    """The wall failed, not the program."""
    INTERRUPTED = "interrupted"
    """The host died or lost sight of it."""


class Actor(BaseModel):
    """On whose behalf the code runs. Kept in the record."""

    model_config = _Frozen

    id: str = Field(min_length=1, max_length=200)
    type: str = Field(default="user", min_length=1, max_length=100)


class File(BaseModel):
    """A file that goes into the work folder or comes out of it.

    In JSON its content is base64, as ``content_base64``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    path: str = Field(min_length=1, max_length=1024, description="relative to the work folder, with /")
    content: bytes = Field(alias="content_base64", repr=False, json_schema_extra={"contentEncoding": "base64"})

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        parts = value.split("/")
        if {"", ".", ".."} & set(parts) or "\\" in value:
            raise ValueError("a path is relative, without empty, . or .. parts or backslash")
        if _NOT_IN_PATHS.search(value):
            raise ValueError("a path is Unicode without control characters")
        return value

    @field_validator("content", mode="before")
    @classmethod
    def _from_base64(cls, value: Any) -> Any:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else value

    @field_serializer("content", when_used="json")
    def _to_base64(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")


class Severity(StrEnum):
    """How bad a risk is. ``deny`` alone stops a run."""

    INFO = "info"
    WARN = "warn"
    DENY = "deny"


class Risk(BaseModel):
    """One thing that validation found."""

    model_config = _Frozen

    rule: str
    severity: Severity
    line: int = Field(ge=0, description="from 1; 0 where no line fits")
    column: int = Field(ge=0, description="from 1; 0 where no column fits")
    message: str
    remedy: str = ""


class Verdict(BaseModel):
    """What validation says of code under a policy.

    ``error`` is set where the code cannot be parsed: that is the program's own failure, not a denial.
    """

    model_config = _Frozen

    verdict: Literal["safe", "denied"]
    risks: tuple[Risk, ...] = ()
    deterministic: bool = False
    effect_free: bool = False
    error: Risk | None = Field(default=None, description="where and why the code cannot be parsed")


class Priced(BaseModel):
    """What a run was charged for, in the units of who charges, and what that costs by a price table with a date.

    ``cost`` is None where no price is known. ``prices_region`` is whose prices were taken: another than the run's where
    its own are not known.
    """

    model_config = _Frozen

    quantities: dict[str, float] = Field(description="by unit: vcpu_seconds, gb_seconds, requests")
    cost: Decimal | None = None
    currency: str = "USD"
    prices_as_of: date | None = None
    prices_region: str = ""


class Usage(BaseModel):
    """What a run used. None where the adapter cannot tell."""

    model_config = _Frozen

    wall_ms: float | None = None
    cpu_ms: float | None = None
    peak_memory_bytes: int | None = None
    output_bytes: int | None = None
    priced: Priced | None = Field(default=None, description="what a run that costs money was charged for")


class Provenance(BaseModel):
    """SHA-256 in hexadecimal of what went in and what came out."""

    model_config = _Frozen

    code_sha256: str = ""
    inputs_sha256: str = ""
    outputs_sha256: str = ""
    policy_sha256: str = ""


class Explanation(BaseModel):
    """Why one adapter was or was not chosen."""

    model_config = _Frozen

    adapter: str
    chosen: bool
    reason: str
    remedy: str = ""


class ExecutionRequest(BaseModel):
    """One computation to run.

    In Python ``inputs`` holds Python values; in JSON their wire form. A tag (``{"$type": ...}``) is read as one only
    in JSON.
    """

    model_config = _Frozen

    code: str
    language: str = Field(default="python", pattern=r"^[a-z][a-z0-9_+-]{0,31}$")
    inputs: dict[str, Any] = Field(default_factory=dict)
    files: tuple[File, ...] = ()
    policy: str | None = None
    limits: Limits = Limits()
    adapter: str | None = None
    session: str | None = Field(default=None, max_length=128)
    idempotency_key: str | None = None
    actor: Actor | None = None
    id: str = Field(default_factory=new_id)

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        return checked_id(value)

    @field_validator("code")
    @classmethod
    def _code(cls, value: str) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"code is not valid Unicode at character {error.start}") from None
        return value

    @field_validator("inputs", mode="before")
    @classmethod
    def _inputs(cls, value: Any, info: ValidationInfo) -> Any:
        if info.mode == "json" and isinstance(value, dict):
            value = values.decode(value)
            if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
                raise ValueError("inputs is an object with a name for each input")
        return value

    @field_serializer("inputs", when_used="json")
    def _wire_inputs(self, value: dict[str, Any]) -> Any:
        return values.encode(value)

    @cached_property
    def code_bytes(self) -> bytes:
        return self.code.encode("utf-8")

    @cached_property
    def inputs_wire(self) -> bytes:
        """The inputs in wire form: what a guest is given."""
        wire: bytes = values.dumps(self.inputs)
        return wire

    @cached_property
    def code_sha256(self) -> str:
        return sha256(self.code_bytes)

    @cached_property
    def inputs_sha256(self) -> str:
        """Over the canonical form of the inputs, files included where there are any."""
        if not self.files:
            return sha256(canonical(self.inputs)) if self.inputs else _NO_INPUTS_SHA256
        files = {file.path: sha256(file.content) for file in self.files}
        return sha256(canonical({"inputs": self.inputs, "files": files}))


_NO_INPUTS_SHA256 = sha256(canonical({}))
_TypedValue = Annotated[Any, PlainSerializer(values.encode, when_used="json")]


class ExecutionResult(BaseModel):
    """What became of one request. Adapters fill in what they saw; the host completes and seals it."""

    model_config = _Frozen

    id: str
    status: Status
    reason: str = Field(default="", description="a sentence for people; never parsed")
    value: _TypedValue = None
    stdout: str = ""
    stderr: str = ""
    truncated: bool = Field(default=False, description="output was cut at the policy's limit")
    files: tuple[File, ...] = ()
    displays: tuple[Display, ...] = ()
    exit_code: int | None = None
    signal: str | None = Field(default=None, description="the signal that ended it, as SIGKILL")
    risks: tuple[Risk, ...] = ()
    may_have_started: bool = False
    usage: Usage = Usage()
    adapter: str | None = None
    adapter_version: str | None = None
    language: str
    policy: str
    provenance: Provenance = Provenance()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    explain: tuple[Explanation, ...] = ()
    message: str | None = Field(default=None, description="the placeholder's answer")
    fallback_action: str | None = Field(
        default=None, description="what a caller does instead, as describe_computation_only"
    )
    session: str | None = Field(default=None, description="the session whose command it was")
    session_ended: bool = Field(default=False, description="its session is over and takes no more commands")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def value_type(self) -> str:
        """The name of the value's type, as in the table of ``host.values``."""
        name: str = values.type_name(self.value)
        return name

    @field_validator("value", mode="before")
    @classmethod
    def _value(cls, value: Any, info: ValidationInfo) -> Any:
        return values.decode(value) if info.mode == "json" else value

    @cached_property
    def outputs_sha256(self) -> str:
        """Over the canonical form of value, stdout, stderr and the hashes of files and displays."""
        files = {file.path: sha256(file.content) for file in self.files}
        shown = [{mime: sha256(each.content(mime)) for mime in each.data} for each in self.displays]
        output = {"value": self.value, "stdout": self.stdout, "stderr": self.stderr, "files": files, "displays": shown}
        return sha256(canonical(output))
