"""What a deployment is to be: which functions, each with its package and its settings."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapters.aws_lambda.fits import misfit
from adapters.aws_lambda.functions import LANGUAGES, described
from adapters.aws_lambda.package import HANDLER, MOST_ZIPPED_BYTES, Package, package
from adapters.aws_lambda.settings import LambdaSettings
from adapters.guest.catalogue import guests
from adapters.guest.contract import Guest, Missing
from adapters.guest.environments import GuestEnvironmentError

__all__ = ["Plan", "Planned", "planned"]


@dataclass(frozen=True)
class Planned:
    """One function as it is to be.

    Attributes:
        language: what it runs.
        name: in Lambda.
        package: what goes into it.
        runtime: Lambda's.
        environment: the guest environment.
        memory_mb, timeout_s: what it is given.
        architecture: Lambda's.
    """

    language: str
    name: str
    package: Package
    runtime: str
    environment: str
    memory_mb: int
    timeout_s: int
    architecture: str

    @cached_property
    def zip(self) -> bytes:
        """Its deployment package.

        Raises:
            PackageError: it is larger than Lambda takes.
        """
        return self.package.zipped(self.runtime.removeprefix("python"))

    @cached_property
    def code_sha256(self) -> str:
        """As Lambda has it."""
        return base64.b64encode(hashlib.sha256(self.zip).digest()).decode("ascii")

    @property
    def key(self) -> str:
        """The name of its package where packages lie beside each other."""
        return f"{self.name}-{hashlib.sha256(self.zip).hexdigest()[:16]}.zip"

    @property
    def is_large(self) -> bool:
        """Whether its package has to go through S3."""
        return len(self.zip) > MOST_ZIPPED_BYTES

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its settings, as Lambda names them. No network of a VPC, no variables, nothing to log to."""
        return {
            "Description": described(self.language, self.package.fingerprint, self.environment),
            "Handler": HANDLER,
            "MemorySize": self.memory_mb,
            "Runtime": self.runtime,
            "Timeout": self.timeout_s,
        }


@dataclass(frozen=True)
class Plan:
    """A deployment.

    Attributes:
        functions: what is to be there.
        left_out: languages that cannot be, and why.
        role: the ARN of the role; "" makes one without permissions.
        bucket: where packages go; "" sends them with the call.
        reserved: the concurrency that each function is given; None leaves it as it is.
        per_tenant: whether tenants never share an execution environment.
    """

    functions: tuple[Planned, ...]
    left_out: Mapping[str, Missing]
    role: str = ""
    bucket: str = ""
    reserved: int | None = None
    per_tenant: bool = False


def planned(
    settings: LambdaSettings,
    state_dir: Path,
    languages: Iterable[str],
    *,
    runtime: str,
    architecture: str,
    environment: str,
    memory_mb: int,
    timeout_s: int,
) -> tuple[tuple[Planned, ...], dict[str, Missing]]:
    """The functions for some languages, and those that this machine has no fitting package for.

    Args:
        settings: the functions' names.
        state_dir: the host's state folder, where guest environments are.
        languages: which; empty is all.
        runtime: Lambda's.
        architecture: Lambda's.
        environment: the guest environment of Python.
        memory_mb: what each is given.
        timeout_s: what each is given.
    """
    wanted = list(languages) or list(LANGUAGES)
    there = {guest.language: guest for guest in guests(state_dir) if guest.language in wanted}
    functions, left_out = [], {}
    for language in wanted:
        own = environment if language == "python" else "base"
        found = _package(there[language], own)
        lack = found if isinstance(found, Missing) else misfit(found, runtime, architecture)
        if lack is not None or isinstance(found, Missing):
            left_out[language] = lack or Missing("", "")
            continue
        name = settings.function(language)
        functions.append(Planned(language, name, found, runtime, own, memory_mb, timeout_s, architecture))
    return tuple(functions), left_out


def _package(guest: Guest, environment: str) -> Package | Missing:
    runtime = guest.find()
    if isinstance(runtime, Missing):
        return runtime
    try:
        return package(guest, runtime, environment)
    except GuestEnvironmentError as error:
        return Missing(error.message, error.remedy)
    except ValueError as error:
        return Missing(str(error), "see the reason")
