"""The tools of a session for files: what is read and written relative to its working folder.

A path that leads out of the folder, a file that is not there: an error result, not an exception, as of a tool that ran.
"""

import mimetypes
from pathlib import Path
from typing import Any

from tests.emulators.trees import remove_tree

__all__ = ["ToolFailed", "listed", "removed", "shown", "written"]


class ToolFailed(Exception):
    """The tool ran and could not do it."""


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if Path(name).is_absolute() or not path.is_relative_to(folder.resolve()):
        raise ToolFailed(f"Path is not allowed: {name}. Paths are relative to the working directory.")
    return path


def _there(folder: Path, name: str) -> Path:
    path = _inside(folder, name)
    if not path.exists():
        raise ToolFailed(f"No such file or directory: {name}")
    return path


def _uri(folder: Path, path: Path) -> str:
    return f"file:///{path.relative_to(folder.resolve()).as_posix()}"


def _kind(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def written(folder: Path, content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write all of some files, or none if one of their paths is not allowed."""
    paths = [_inside(folder, each["path"]) for each in content]
    for path, each in zip(paths, content, strict=True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each["blob"] if "blob" in each else each.get("text", "").encode("utf-8"))
        except OSError as error:
            raise ToolFailed(f"Error writing {each['path']}: {error.strerror}") from error
    return [_text(f"Successfully wrote all {len(content)} files")]


def shown(folder: Path, paths: list[str]) -> list[dict[str, Any]]:
    """The content of some files, as text where it is UTF-8."""
    blocks = []
    for name in paths:
        path = _there(folder, name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ToolFailed(f"Error reading {name}: {error.strerror}") from error
        resource = {"uri": _uri(folder, path), "mimeType": _kind(path)}
        try:
            resource |= {"type": "text", "text": content.decode("utf-8")}
        except UnicodeDecodeError:
            resource |= {"type": "blob", "blob": content}
        blocks.append({"type": "resource", "resource": resource})
    return blocks


def listed(folder: Path, name: str) -> list[dict[str, Any]]:
    """The files and folders that stand in a folder."""
    path = _there(folder, name or ".")
    if not path.is_dir():
        raise ToolFailed(f"Not a directory: {name}")
    blocks = []
    for each in sorted(path.iterdir()):
        uri = f"file:///{each.relative_to(folder.resolve()).as_posix()}"
        block: dict[str, Any] = {"type": "resource_link", "uri": uri, "name": each.name}
        if each.is_dir():
            block["description"] = "Directory"
        else:
            block |= {"description": "File", "mimeType": _kind(each), "size": each.lstat().st_size}
        blocks.append(block)
    return blocks


def removed(folder: Path, paths: list[str]) -> list[dict[str, Any]]:
    """Remove some files or folders, or none if one is not there."""
    for path in [_there(folder, name) for name in paths]:
        if path == folder.resolve():
            raise ToolFailed("The working directory can't be removed.")
        if path.is_dir():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    return [_text(f"Successfully removed all {len(paths)} files")]
