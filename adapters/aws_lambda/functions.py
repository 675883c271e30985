"""The functions that are deployed: one for each language, looked at before it is used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.runner.job import Place

__all__ = ["LANGUAGES", "Function", "described", "machine_of"]

LANGUAGES = ("python", "sql", "javascript", "typescript", "bash")
"""What there are packages for."""

_MARK = re.compile(r"understudy-package=([0-9a-f]{16}) environment=([a-z][a-z0-9_-]*)")
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
_ANSWER_BYTES = 6_200_000  # of Lambda's 6,291,556


def described(language: str, fingerprint: str, environment: str) -> str:
    """What a function says of itself: its package and its guest environment, so that both can be compared."""
    return f"Understudy runs {language} here. understudy-package={fingerprint} environment={environment}"


def machine_of(architecture: str) -> str:
    """Lambda's name for a processor as ``uname -m`` has it."""
    return _MACHINES.get(architecture, architecture)


@dataclass(frozen=True, slots=True)
class Function:
    """A function as Lambda says that it is.

    Attributes:
        language: what it runs.
        name: in Lambda.
        runtime: as "python3.13".
        version: "$LATEST" or a number.
        package: the fingerprint of what was deployed; "" where it is none of ours.
        environment: the guest environment that was deployed with it.
        code_sha256: of the zip, in base64.
        memory_mb: what it has.
        timeout_s: after which Lambda ends an invocation.
        architecture: "x86_64" or "arm64".
        per_tenant: whether tenants never share an execution environment.
        trouble: why it takes no invocations, or "".
    """

    language: str
    name: str
    runtime: str
    version: str
    package: str
    environment: str
    code_sha256: str
    memory_mb: int
    timeout_s: int
    architecture: str
    per_tenant: bool
    trouble: str

    @classmethod
    def read(cls, language: str, said: Mapping[str, Any]) -> "Function":
        """From the answer of GetFunctionConfiguration."""
        mark = _MARK.search(said.get("Description", ""))
        state = said.get("State", "Active")
        trouble = "" if state in ("Active", "Inactive") else f"{state}: {said.get('StateReason', 'no reason is given')}"
        return cls(
            language=language,
            name=said["FunctionName"],
            runtime=said.get("Runtime", ""),
            version=said.get("Version", ""),
            package=mark[1] if mark else "",
            environment=mark[2] if mark else "",
            code_sha256=said.get("CodeSha256", ""),
            memory_mb=said.get("MemorySize", 128),
            timeout_s=said.get("Timeout", 3),
            architecture=said.get("Architectures", ["x86_64"])[0],
            per_tenant=said.get("TenancyConfig", {}).get("TenantIsolationMode") == "PER_TENANT",
            trouble=trouble,
        )

    @property
    def place(self) -> Place:
        """Where the runner runs in it. All that a program may write to is below /tmp, and all of it counts."""
        return Place(
            guest="/var/task/guest",
            runtime="/var/task/runtime",
            work="/tmp/work",  # noqa: S108 - over there
            temporary="/tmp",  # noqa: S108
            machine=machine_of(self.architecture),
            text_bytes=_ANSWER_BYTES,
        )
