"""What is visible inside the wall, and the argument list for bubblewrap that makes it so."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = [
    "VISIBLE_GID",
    "VISIBLE_UID",
    "Bubblewrap",
    "View",
    "arguments",
    "find_bubblewrap",
    "inside_path",
    "read_child_pid",
]

VISIBLE_UID = VISIBLE_GID = 1000
"""What the program sees as its own ids. Files of the host's show as those of 65534, so the two can be told apart."""

_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKED_AT_ROOT = ("bin", "lib", "lib64", "sbin")


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """The bwrap program that was found."""

    program: str
    version: str


@dataclass(frozen=True, slots=True)
class View:
    """What a program sees of the host, read-only.

    Attributes:
        trees: path inside to path on the host, parents before children.
        empty: paths inside that show an empty folder.
        links: path inside to where the symbolic link points.
    """

    trees: tuple[tuple[str, Path], ...]
    empty: tuple[str, ...]
    links: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, trees: Mapping[Path, str], masked: Iterable[str], program: str | None) -> "View":
        """What shows for these trees.

        Args:
            trees: host path to path inside.
            masked: paths inside that show an empty folder.
            program: what a runtime finds under /proc/self/exe. There is no /proc but for that one link, without which
                deno ends.
        """
        inside = {str(PurePosixPath(place)): host for host, place in trees.items()}
        ordered = tuple(sorted(inside.items()))
        empty = tuple(sorted(place for place in set(masked) if _is_folder(place, ordered)))
        own = (("/proc/self/exe", program),) if program else ()
        return cls(ordered, empty, (*_links(inside), *own))


def find_bubblewrap() -> Bubblewrap | None:
    """The bwrap on PATH that runs, or None."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return Bubblewrap(program, said.strip().rpartition(" ")[2])


def inside_path(path: Path, trees: Mapping[Path, str]) -> str | None:
    """Where a host path shows inside, or None if no tree holds it."""
    for host, place in trees.items():
        if path == host or host in path.parents:
            return str(PurePosixPath(place) / path.relative_to(host))
    return None


def arguments(view: View, sources: Mapping[Path, str], empty: str, info_fd: int) -> list[str]:
    """Everything between ``bwrap`` and the command.

    Args:
        view: what is visible.
        sources: where each host path of ``view`` can be reached by the user that bubblewrap runs as.
        empty: an empty folder, reachable likewise.
        info_fd: where bubblewrap writes which process it started.
    """
    listed = [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    listed += ["--uid", str(VISIBLE_UID), "--gid", str(VISIBLE_GID), "--hostname", "sandbox"]
    listed += ["--die-with-parent", "--as-pid-1", "--new-session", "--info-fd", str(info_fd)]
    # The launcher mounts the work folder and gives both away before the caller's code starts.
    listed += ["--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"]
    for place, target in view.links:
        listed += ["--symlink", target, place]
    for place, host in view.trees:
        listed += ["--ro-bind", sources[host], place]
    for place in view.empty:
        listed += ["--ro-bind", empty, place]
    for device in _DEVICES:
        listed += ["--dev-bind-try", f"/dev/{device}", f"/dev/{device}"]
    for folder in ("/work", "/tmp", "/dev/shm"):  # noqa: S108 - inside the wall
        listed += ["--dir", folder]
    return [*listed, "--remount-ro", "/", "--chdir", "/"]


def read_child_pid(info: bytes) -> int | None:
    """The process id of the launcher, from what bubblewrap wrote; None if that is not whole yet."""
    try:
        return int(json.loads(info)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return None


def _is_folder(place: str, trees: Iterable[tuple[str, Path]]) -> bool:
    """Whether a folder shows at ``place``: only then there is something to hide, and a place to hide it behind."""
    wanted = PurePosixPath(place)
    shown = [host / wanted.relative_to(inside) for inside, host in trees if wanted.is_relative_to(inside)]
    return bool(shown) and shown[-1].is_dir()


def _links(inside: Mapping[str, Path]) -> Iterable[tuple[str, str]]:
    """/lib -> usr/lib and the like, where the host has it so and a tree shows what it points to."""
    for name in _LINKED_AT_ROOT:
        link = Path("/", name)
        taken = any(PurePosixPath(place).is_relative_to(link) for place in inside)
        if link.is_symlink() and not taken:
            target = str(link.readlink())
            shown = PurePosixPath("/", target)
            if any(shown.is_relative_to(place) or PurePosixPath(place).is_relative_to(shown) for place in inside):
                yield str(link), target
