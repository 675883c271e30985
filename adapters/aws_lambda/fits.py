"""Which packages of this machine run in which runtime of Lambda."""

import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from adapters.aws_lambda.functions import machine_of
from adapters.aws_lambda.package import Package
from adapters.guest.contract import Missing

__all__ = ["RUNTIMES", "misfit", "usual_runtime"]

RUNTIMES: Mapping[str, int] = {
    **dict.fromkeys(("python3.9", "python3.10", "python3.11"), 26),  # on Amazon Linux 2
    **dict.fromkeys(("python3.12", "python3.13", "python3.14", "python3.15"), 34),  # on Amazon Linux 2023
}
"""The runtimes that the handler runs in, each with the version of glibc 2 that it has."""

_USUAL = "python3.13"
_OLDEST_USUAL = (3, 12)
_NEEDS_GLIBC = re.compile(rb"GLIBC_2\.(\d+)")


def usual_runtime() -> str:
    """The runtime of this process's own Python, so that what is Python goes there compiled; else a current one."""
    own = f"python{_own()}"
    return own if own in RUNTIMES and sys.version_info[:2] >= _OLDEST_USUAL else _USUAL


def misfit(package: Package, runtime: str, architecture: str) -> Missing | None:
    """Why a package that was made here does not run there, or None.

    Args:
        package: what would go into the function.
        runtime: Lambda's, as "python3.13".
        architecture: Lambda's, "x86_64" or "arm64".
    """
    binaries = list(_binaries(package))
    if not binaries:
        return None
    what = ", ".join(f"{name} {version}" for name, version in sorted(package.versions.items()) if name != "environment")
    if sys.platform != "linux" or platform.machine() != machine_of(architecture):
        return Missing(
            f"{what} is here for {sys.platform} on {platform.machine()}, and the function is for {architecture}",
            f"deploy from Linux on {machine_of(architecture)}, or name another --arch",
        )
    for_python = any(name.startswith("guest/site/") for name, _ in binaries)
    if for_python and runtime != f"python{_own()}":
        return Missing(
            f"{what} is here for Python {_own()}, and the function's runtime is {runtime}",
            f"deploy with Python {runtime.removeprefix('python')}, or with --runtime python{_own()}",
        )
    needed = max((_glibc(path) for _, path in binaries), default=0)
    if needed > RUNTIMES[runtime]:
        return Missing(
            f"{what} needs glibc 2.{needed}, and Lambda's {runtime} has 2.{RUNTIMES[runtime]}",
            f"name a newer --runtime, as {_USUAL}",
        )
    return None


def _own() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _binaries(package: Package) -> Iterator[tuple[str, Path]]:
    for name, path in package.files.items():
        if name == "runtime/deno" or ".so" in Path(name).suffixes:
            yield name, path


def _glibc(path: Path) -> int:
    """The newest version of glibc 2 that a binary asks for."""
    return max((int(found) for found in _NEEDS_GLIBC.findall(path.read_bytes())), default=0)
