"""The work folder: what a program leaves in it may be made to hurt its reader, and never does."""

import os
import socket
import stat
import subprocess
import unicodedata

import pytest

from adapters.guest.workfolder import MAX_DEPTH, collect_files, write_files


@pytest.fixture
def folder(tmp_path):
    """An empty work folder, with something beside it that is nobody's business."""
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)  # some go deeper than Python, and so pytest, removes


def collect(folder, given=None, max_files=100, max_bytes=1 << 20, tell=None):
    """What comes out, by path, and what is told of the rest."""
    told = {}

    def skipped(path, reason):
        told[path] = reason
        if tell is not None:
            tell(path)

    return dict(collect_files(str(folder), given or {}, max_files, max_bytes, skipped)), told


def test_files_go_in_and_come_out(folder):
    """What was put in is there, folders and all; only what is new or changed comes back."""
    given = {"a": b"a", "b/c/d": b"\x00\xff", "b/e": b"", "ä 😀": b"u"}
    write_files(str(folder), given.items())
    assert collect(folder, given) == ({}, {})
    (folder / "a").write_bytes(b"A")
    (folder / "b" / "new").write_bytes(b"n")
    (folder / "b" / "e").unlink()
    assert collect(folder, given) == ({"a": b"A", "b/new": b"n"}, {})


def test_links_are_never_followed(folder, tmp_path):
    """Links to a file, a folder, out, nowhere, to themselves and in a ring are left behind, each by name."""
    (folder / "real").write_text("r")
    (folder / "sub").mkdir()
    targets = {
        "file": "real", "up": "../secret", "absolute": str(tmp_path / "secret"), "root": "/", "here": ".",
        "folder": "sub", "nowhere": "nothing", "itself": "itself", "ring-a": "ring-b", "ring-b": "ring-a",
        "sub/back": "..",
    }  # fmt: skip
    for name, target in targets.items():
        (folder / name).symlink_to(target)
    found, told = collect(folder)
    assert found == {"real": b"r"}
    assert told == dict.fromkeys(targets, "a symbolic link")


def test_what_is_no_regular_file_is_never_opened(folder):
    """A FIFO with no writer, a socket and, where they can be made, devices are left behind and nobody waits."""
    os.mkfifo(folder / "pipe")
    kinds = {"pipe"}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))  # an address is short
        kinds.add("socket")
    if os.geteuid() == 0:
        try:
            os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            os.mknod(folder / "disk", 0o666 | stat.S_IFBLK, os.makedev(7, 0))
            kinds |= {"null", "disk"}
        except PermissionError:
            pass  # root of a container
    assert collect(folder) == ({}, dict.fromkeys(kinds, "no regular file"))


def test_sizes_and_counts_are_bounded(folder):
    """Sparse files count as long as they look; what is over the limit is left, and what fits beside it comes out."""
    for name, size in (("a", 1 << 40), ("b", 600), ("c", 600), ("d", 300)):
        (folder / name).touch()
        os.truncate(folder / name, size)
    found, told = collect(folder, max_bytes=1000)
    assert {name: len(content) for name, content in found.items()} == {"b": 600, "d": 300}
    assert told == {name: f"{size} bytes are more than is left of 1000" for name, size in (("a", 1 << 40), ("c", 600))}
    found, told = collect(folder, max_files=1, max_bytes=10_000)
    assert (list(found), told["c"]) == (["b"], "1 files were taken already")


def test_a_file_that_was_put_in_and_grew_is_bounded_too(folder):
    """A file of the request that became too large is left behind."""
    write_files(str(folder), [("a", b"a")])
    os.truncate(folder / "a", 1 << 40)
    found, told = collect(folder, {"a": b"a"}, max_bytes=1000)
    assert (found, list(told)) == ({}, ["a"])


def test_deep_folders_are_left(folder):
    """Of folders in folders only so many are entered, however deep they go; paths over the limit stay."""
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(1000):
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    found, told = collect(folder)
    assert max(path.count("/") for path in found) == MAX_DEPTH - 1
    assert list(told.values()) == ["its path is too long or too deep"] * len(told)
    long = folder
    for _ in range(10):
        long /= "x" * 200
    long.mkdir(parents=True)
    assert "its path is too long or too deep" in collect(folder)[1].values()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"\xff\xfe", "its name is not UTF-8"),
        (b"latin-\xe9", "its name is not UTF-8"),
        (b"back\\slash", "a backslash in its name"),
        (b"new\nline", "a control character in its name"),
        (b"\x1b[31mred", "a control character in its name"),
        (b"\x7f", "a control character in its name"),
        ("\u009b31m".encode(), "a control character in its name"),
    ],
)
def test_odd_names_are_left_and_told_without_harm(folder, name, reason):
    """A name that cannot be handed on is told escaped, so that it steers nobody's terminal or log."""
    (folder / "plain").touch()
    os.close(os.open(os.path.join(os.fsencode(folder), name), os.O_CREAT | os.O_WRONLY))
    found, told = collect(folder)
    assert list(found) == ["plain"]
    ((shown, why),) = told.items()
    assert why == reason
    assert shown.isprintable()
    assert shown.isascii() or "\\" not in shown


@pytest.mark.parametrize("name", ["-rf", " ", "...", "x" * 255, "é" * 127, "😀", 'a:b*?"<>|', "\u202egnp.exe"])
def test_ordinary_if_strange_names_come_out(folder, name):
    """What file systems take for a name comes out under it."""
    (folder / name).write_text("x")
    assert collect(folder) == ({name: b"x"}, {})


def test_composed_and_decomposed_names_are_two(folder):
    """Names that look the same are different files and come out as they are."""
    twins = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    for name in twins:
        (folder / name).write_text(ascii(name))
    assert collect(folder)[0] == {name: ascii(name).encode() for name in twins}


def test_bits_and_links_do_not_travel(folder):
    """Of a set-user-id file and of hard links only the content comes out, once for each name."""
    (folder / "a").write_bytes(b"a")
    (folder / "a").chmod(0o6755)
    os.link(folder / "a", folder / "b")
    assert collect(folder) == ({"a": b"a", "b": b"a"}, {})


def test_what_cannot_be_read_is_told_once_it_is_too_much(folder):
    """Of very many things that are left behind the first hundred are told."""
    for number in range(150):
        (folder / f"{number:03}").symlink_to("x")
    assert len(collect(folder)[1]) == 100


@pytest.mark.parametrize("change", ["longer", "shorter", "gone", "link", "pipe", "folder"])
def test_what_changes_between_looking_and_reading_does_no_harm(folder, tmp_path, change):
    """A file that is another thing when it is opened than when it was looked at gives at most what was looked at."""
    (folder / "a-link").symlink_to("x")
    (folder / "b").write_text("1234")

    def swap(path):
        if path != "a-link":
            return
        if change in ("longer", "shorter"):
            (folder / "b").write_text("12" if change == "shorter" else "12345678")
            return
        (folder / "b").unlink()
        if change == "link":
            (folder / "b").symlink_to(tmp_path / "secret")
        elif change == "pipe":
            os.mkfifo(folder / "b")
        elif change == "folder":
            (folder / "b").mkdir()

    found, told = collect(folder, tell=swap)
    assert found == {"longer": {"b": b"1234"}, "shorter": {"b": b"12"}}.get(change, {})
    assert ("b" in told) == (not found)
