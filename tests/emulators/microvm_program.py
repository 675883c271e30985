"""A code artifact of a MicroVM image, built: what its Dockerfile puts where, and what it starts.

RUN lines are not carried out: what they would install has to be on this machine (every box has its `python3`). The rest
of a Dockerfile that says where things go and what starts is read as Docker reads it; an instruction that is not known
here fails the build.
"""

import io
import json
import shlex
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

__all__ = ["BuildFailed", "Program", "built"]

_WITHOUT_EFFECT = {"FROM", "RUN", "EXPOSE", "LABEL", "USER", "STOPSIGNAL", "HEALTHCHECK", "ARG", "MAINTAINER"}


class BuildFailed(Exception):
    """Why an image could not be built, in the words of the service."""


@dataclass
class Program:
    """What a MicroVM runs.

    Attributes:
        command: what is started.
        shown: folders and files of this machine and where they stand inside.
        environment: variables.
        folder: where it starts.
    """

    command: list[str]
    shown: list[tuple[Path | str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"


def built(artifact: bytes, state: Path) -> Program:
    """Build a code artifact: a zip with a Dockerfile at its root.

    Raises:
        BuildFailed: it is none, or cannot be built.
    """
    context, root = state / "context", state / "root"
    try:
        with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
            archive.extractall(context)
    except zipfile.BadZipFile as error:
        raise BuildFailed("ARCHIVE_INVALID") from error
    if not (context / "Dockerfile").is_file():
        raise BuildFailed("ARCHIVE_DOCKERFILE_NOT_FOUND")
    build = _Build(context, root)
    for line in _lines((context / "Dockerfile").read_text(encoding="utf-8")):
        build.step(line)
    return build.program()


def _lines(text: str) -> list[str]:
    kept = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [line.strip() for line in "\n".join(kept).replace("\\\n", " ").splitlines()]


class _Build:
    def __init__(self, context: Path, root: Path) -> None:
        self._context, self._root = context.resolve(), root
        self._folder = PurePosixPath("/")
        self._environment: dict[str, str] = {}
        self._entry: list[str] = []
        self._command: list[str] = []
        self._places: set[PurePosixPath] = set()

    def step(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        match word.upper():
            case "COPY" | "ADD":
                self._copy(rest)
            case "WORKDIR":
                self._folder = self._folder / rest
                (self._root / str(self._folder)[1:]).mkdir(parents=True, exist_ok=True)
                self._places.add(self._folder)
            case "ENV":
                self._environment |= dict(each.split("=", 1) for each in shlex.split(rest))
            case "CMD":
                self._command = _words(rest)
            case "ENTRYPOINT":
                self._entry, self._command = _words(rest), []
            case known if known in _WITHOUT_EFFECT:
                pass
            case _:
                raise BuildFailed(f"CONTAINER_BUILD_FAILED: unknown instruction: {line}")

    def _copy(self, rest: str) -> None:
        words = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
        *sources, target = [word for word in words if not word.startswith("--")]
        place = self._folder / target
        for source in sources:
            found = sorted(self._context.glob(source.lstrip("/"))) if source not in {".", "./"} else [self._context]
            if not found:
                raise BuildFailed(f"CONTAINER_BUILD_FAILED: COPY failed: {source}: not found")
            for path in found:
                self._put(path, place, many=len(sources) > 1 or len(found) > 1 or target.endswith(("/", ".")))

    def _put(self, path: Path, place: PurePosixPath, *, many: bool) -> None:
        if path.is_dir():  # Docker copies what is in a folder, not the folder
            into = self._root / str(place)[1:]
            shutil.copytree(path, into, dirs_exist_ok=True)
            self._places.add(place)
            return
        place = place / path.name if many else place
        into = self._root / str(place)[1:]
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, into)
        self._places.add(place.parent if place.parent != PurePosixPath("/") else place)

    def program(self) -> Program:
        command = [*self._entry, *self._command]
        if not command:
            raise BuildFailed("CONTAINER_BUILD_FAILED: no command specified")
        outer = [each for each in self._places if not any(other in each.parents for other in self._places)]
        shown: list[tuple[Path | str, str]] = []
        for place in outer:
            if place == PurePosixPath("/"):
                raise BuildFailed("CONTAINER_BUILD_FAILED: the emulator puts nothing into / itself")
            if place.parts[1] in {"usr", "bin", "lib", "lib64", "sbin", "etc", "proc", "dev"}:
                raise BuildFailed(f"CONTAINER_BUILD_FAILED: the emulator puts nothing into {place}")
            shown.append((self._root / str(place)[1:], str(place)))
        for path in self._root.rglob("*") if self._root.exists() else ():
            path.chmod(0o755)
        return Program(command, sorted(shown, key=lambda each: each[1]), self._environment, str(self._folder))


def _words(text: str) -> list[str]:
    """A command in its exec form, or else in its shell form."""
    return json.loads(text) if text.startswith("[") else ["/bin/sh", "-c", text]
