"""What the image of a MicroVM is made of: a zip file with our own files and a Dockerfile, the same bytes every time."""

import functools
import hashlib
import importlib.metadata
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from adapters.guest.bash.host import __file__ as _bash
from adapters.guest.elixir.host import __file__ as _elixir
from adapters.guest.environments import BASE, python_tag
from adapters.guest.javascript.host import __file__ as _javascript
from adapters.guest.sql.host import SQL_FILES
from adapters.lambda_microvm.inside import __file__ as _inside
from adapters.runner.package import runner_files

__all__ = ["LANGUAGES", "artifact", "dockerfile", "facts_of", "files", "package_hash"]

LANGUAGES = ("bash", "elixir", "javascript", "python", "sql", "typescript")
"""What an image can run."""

_BASE = "public.ecr.aws/docker/library/python:{python}-slim-bookworm"
"""Of the Python that this host runs on, so that a program finds the same one there."""
_COMMANDS = "bc bsdextrautils diffutils findutils gawk jq procps xxd"
_WHEELS = {"sql": "duckdb", "javascript": "deno", "typescript": "deno"}
_FOLDER = "understudy"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16
_NO_PACKAGES: Mapping[str, str] = MappingProxyType({})


@functools.cache
def files() -> Mapping[str, bytes]:
    """Our own files: path in the image's folder to content."""
    found = {name: path.read_bytes() for path, name in sorted(_ours(), key=lambda pair: pair[1])}
    return dict(sorted(found.items()))


@functools.cache
def package_hash() -> str:
    """SHA-256 of our own files, by which a host knows whether an image is of its own version."""
    digest = hashlib.sha256()
    for name, content in files().items():
        digest.update(f"{name}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def dockerfile(languages: Iterable[str], packages: Mapping[str, str] = _NO_PACKAGES) -> str:
    """The recipe of an image. It is carried out by AWS, with a network.

    Args:
        languages: what the image is to run.
        packages: what Python programs may import beside the standard library, with versions.
    """
    wanted = set(languages)
    system = [_COMMANDS, *(["elixir"] if "elixir" in wanted else [])]
    wheels = sorted({_WHEELS[language] for language in wanted & set(_WHEELS)})
    lines = [
        f"FROM {_BASE.format(python=python_tag())}",
        "RUN apt-get update \\",
        f" && apt-get install --yes --no-install-recommends {' '.join(system)} \\",
        " && rm -rf /var/lib/apt/lists/* \\",
        " && find / -xdev -type f -perm /6000 -exec chmod a-s {} +",
    ]
    if wheels:
        pinned = " ".join(f"{wheel}=={importlib.metadata.version(wheel)}" for wheel in wheels)
        lines.append(f"RUN pip install --no-cache-dir --only-binary :all: {pinned}")
    if packages:
        pinned = " ".join(f"{name}=={version}" for name, version in sorted(packages.items()))
        site = f"--target /opt/{_FOLDER}/site"
        lines.append(f"RUN pip install --no-cache-dir --only-binary :all: --no-deps {site} {pinned}")
    lines += [
        f"COPY {_FOLDER} /opt/{_FOLDER}",
        f"RUN python3 -m compileall -q /opt/{_FOLDER} \\",
        f" && python3 -I /opt/{_FOLDER}/languages.py \\",
        f" && chmod -R a+rX /opt/{_FOLDER}",
        "EXPOSE 8080",
        f'CMD ["python3", "-I", "/opt/{_FOLDER}/server.py"]',
    ]
    return "\n".join(lines) + "\n"


def artifact(
    languages: Iterable[str], memory_mb: int, environment: str = BASE, packages: Mapping[str, str] = _NO_PACKAGES
) -> bytes:
    """The zip file.

    Args:
        languages: what the image is to run.
        memory_mb: the memory that its MicroVMs have at least, by which they are paid.
        environment: the guest environment that it has for Python programs.
        packages: what is in that, with versions.
    """
    facts = json.dumps(facts_of(memory_mb, environment), indent=2) + "\n"
    content = {f"{_FOLDER}/{name}": data for name, data in files().items()}
    content[f"{_FOLDER}/package.json"] = facts.encode()
    content["Dockerfile"] = dockerfile(languages, packages).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as package:  # compressors differ from machine to machine
        for name, data in sorted(content.items()):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = _FILE_MODE
            entry.create_system = 3  # Unix
            package.writestr(entry, data)
    return made.getvalue()


def facts_of(memory_mb: int, environment: str = BASE) -> dict[str, object]:
    """What a MicroVM of an image says of itself: ``package.json``."""
    return {"package": package_hash(), "memory_mb": memory_mb, "environment": environment}


def _ours() -> Iterator[tuple[Path, str]]:
    for name in ("languages", "microvm", "server", "tenant"):
        yield Path(_inside).with_name(f"{name}.py"), f"{name}.py"
    for path, place in {**runner_files(), **SQL_FILES}.items():
        yield path, place.removeprefix("/")
    yield Path(_bash).with_name("program.sh"), "guest/program.sh"
    yield Path(_bash).with_name("guest.bash"), "runtime/bash/guest.bash"
    for path in Path(_javascript).parent.glob("*.mjs"):
        yield path, f"runtime/javascript/{path.name}"
    for path in Path(_elixir).parent.glob("*.exs"):
        yield path, f"elixir/{path.name}"
