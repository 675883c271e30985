"""What a policy says of a request itself, before its code is looked at."""

from host.interface import Refusal
from host.models import ExecutionRequest
from host.policy import FileSystemAccess, Policy

__all__ = ["refuse_files"]


def refuse_files(request: ExecutionRequest, policy: Policy) -> Refusal | None:
    """Why the request's files cannot be taken under the policy, or None."""
    files = request.files
    if policy.file_system_access is FileSystemAccess.NONE and files:
        return Refusal(
            rule="files-not-allowed",
            reason=f"Policy {policy.name} takes no files, and the request sends {len(files)}.",
            remedy="Send the data as inputs, or ask for a policy with file_system_access, as standard or data.",
        )
    paths = [file.path for file in files]
    folders = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
    clashing = sorted(path for path in {*paths} if paths.count(path) > 1 or path in folders)
    if clashing:
        return Refusal(
            rule="files-clash",
            reason=f"The request sends {clashing[0]} more than once, or as a file and as a folder.",
            remedy="Give each file a path of its own.",
        )
    size = sum(len(file.content) for file in files)
    if size > policy.max_file_bytes:
        return Refusal(
            rule="files-too-large",
            reason=f"The files have {size} bytes; policy {policy.name} takes {policy.max_file_bytes}.",
            remedy="Send less, or ask for a policy with more max_file_bytes.",
        )
    count = len(files) + len(folders)
    if count > policy.max_files:
        return Refusal(
            rule="too-many-files",
            reason=f"There are {count} files and folders; policy {policy.name} takes {policy.max_files}.",
            remedy="Send fewer, or ask for a policy with more max_files.",
        )
    return None
