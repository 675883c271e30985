"""What a wall without a network declines, before anything runs."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from adapters.guest.workfolder import MAX_DEPTH
from host.interface import Refusal
from host.models import ExecutionRequest, File
from host.policy import FileSystemAccess, Policy

__all__ = ["refuse"]


def refuse(request: ExecutionRequest, policy: Policy, adapter: str) -> Refusal | None:
    """Why the adapter of that name does not take this request under this policy, or None."""
    if policy.network_access:
        return Refusal(
            rule="network",
            reason=f"policy {policy.name} gives network access, and {adapter} has none to give",
            remedy="Ask for network_access = false in the request's limits, or choose an adapter with a network.",
        )
    if not request.files:
        return None
    if policy.file_system_access is FileSystemAccess.NONE:
        return Refusal(
            rule="files",
            reason=f"policy {policy.name} lets no files in (file_system_access none)",
            remedy="Pass the data as inputs, or ask for a policy with file_system_access read_only or sandboxed.",
        )
    return _too_much(request.files, policy) or _impossible(request.files)


def _too_much(files: tuple[File, ...], policy: Policy) -> Refusal | None:
    size = sum(_pages(len(file.content)) for file in files)
    if size > policy.max_file_bytes:
        return Refusal(
            rule="files",
            reason=f"the files take {size} bytes in whole pages, policy {policy.name} gives {policy.max_file_bytes}",
            remedy="Send less, or ask for a policy with a higher max_file_bytes.",
        )
    names = len({file.path for file in files} | set(_folders(files)))
    if names > policy.max_files:
        return Refusal(
            rule="files",
            reason=f"{names} files and folders go in, policy {policy.name} gives {policy.max_files}",
            remedy="Send fewer, or ask for a policy with a higher max_files.",
        )
    return None


def _impossible(files: tuple[File, ...]) -> Refusal | None:
    paths = [file.path for file in files]
    folders = set(_folders(files))
    for path in paths:
        parts = path.split("/")
        if paths.count(path) > 1 or path in folders:
            return Refusal(
                rule="files", reason=f"two files want the name {path!r}", remedy="Give each file a name of its own."
            )
        if len(parts) > MAX_DEPTH or any(len(part.encode("utf-8", "replace")) > 255 for part in parts):
            return Refusal(
                rule="files", reason=f"the path {path[:80]!r} is too deep or has too long a name", remedy="Shorten it."
            )
        if any("\ud800" <= character <= "\udfff" for character in path):
            return Refusal(
                rule="files", reason=f"the path {path[:80]!r} is not valid Unicode", remedy="Rename the file."
            )
    return None


def _folders(files: Iterable[File]) -> Iterable[str]:
    for file in files:
        for parent in PurePosixPath(file.path).parents:
            if str(parent) != ".":
                yield str(parent)


def _pages(size: int) -> int:
    return -(-size // 4096) * 4096
