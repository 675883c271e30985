"""A deployment package, unpacked as Lambda does it: owned by somebody else, with the modes that the zip states."""

import io
import stat
import zipfile
from pathlib import Path

__all__ = ["BadPackage", "unpack", "zip_of"]

MAX_ZIPPED_BYTES = 52_428_800
MAX_UNZIPPED_BYTES = 262_144_000


class BadPackage(Exception):
    """Lambda does not take this package."""


def unpack(package: bytes, folder: Path) -> None:
    """Unpack a deployment package.

    A file's mode for others is its mode for all: the function runs as a user to whom nothing in the package belongs, so
    a file that only its owner may read can't be read.

    Raises:
        BadPackage: it is no zip, leaves its folder, or is too large.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(package))
    except zipfile.BadZipFile as error:
        raise BadPackage("Could not unzip uploaded file. Please check your file, then try to upload again.") from error
    with archive:
        if sum(each.file_size for each in archive.infolist()) >= MAX_UNZIPPED_BYTES:
            raise BadPackage(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")
        folder.mkdir(parents=True, exist_ok=True)
        for each in archive.infolist():
            path = folder / each.filename
            if ".." in path.parts or each.filename.startswith("/"):
                raise BadPackage("Could not unzip uploaded file. Please check your file, then try to upload again.")
            _put(archive, each, path)


def _put(archive: zipfile.ZipFile, each: zipfile.ZipInfo, path: Path) -> None:
    if each.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = each.external_attr >> 16
    if stat.S_ISLNK(mode):
        path.symlink_to(archive.read(each).decode())
        return
    path.write_bytes(archive.read(each))
    others = mode & 0o7 if each.create_system == 3 else 0o4  # 3: made on a system that has modes
    path.chmod(others << 6 | others << 3 | others)


def zip_of(files: dict[str, str | bytes]) -> bytes:
    """A zip of files that all may read and run."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            each = zipfile.ZipInfo(name)
            each.external_attr = 0o100755 << 16
            archive.writestr(each, content)
    return buffer.getvalue()
