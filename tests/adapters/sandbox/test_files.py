"""Files into the work folder and out of it."""

import pytest

from host.models import File, Status
from host.policy import FileSystemAccess, Policy

IN = (File(path="a.csv", content_base64=b"1,2\n"), File(path="deep/er/b.txt", content_base64=b"b"))


async def test_files_go_in_and_out(bench):
    """New and changed files come back, unchanged ones do not, in the order of their paths."""
    code = (
        "import os\nresult = [open('a.csv').read(), open('deep/er/b.txt').read()]\n"
        "open('deep/er/b.txt', 'w').write('changed')\nos.mkdir('new')\nopen('new/c.bin', 'wb').write(bytes(range(256)))"
    )
    result = await bench.run(code, files=IN)
    assert result.value == ["1,2\n", "b"], result
    assert {file.path: file.content for file in result.files} == {
        "deep/er/b.txt": b"changed",
        "new/c.bin": bytes(range(256)),
    }


async def test_read_only(bench):
    """Under read_only the files can be read, nothing can be written, and nothing comes out."""
    code = (
        "import os\nresult = [open('a.csv').read()]\n"
        "for path in ('a.csv', 'new', '/tmp/new'):\n"
        "    try: open(path, 'a')\n    except OSError as error: result.append(error.errno)"
    )
    result = await bench.run(code, files=IN, file_system_access=FileSystemAccess.READ_ONLY)
    assert result.value == ["1,2\n", 30, 30, 30], result
    assert result.files == ()


async def test_none(bench):
    """Under none the work folder is empty and closed, and files of a request are declined before anything runs."""
    code = (
        "import os\nresult = [os.getcwd(), os.listdir()]\ntry: open('x', 'w')\nexcept OSError as e: result += [e.errno]"
    )
    result = await bench.run(code, file_system_access=FileSystemAccess.NONE)
    assert result.value == ["/work", [], 30]


@pytest.mark.parametrize(
    ("files", "limits", "word"),
    [
        (IN, {"file_system_access": "none"}, "lets no files in"),
        (IN, {"file_system_access": "sandboxed", "max_file_bytes": 4096}, "bytes"),
        (IN, {"file_system_access": "sandboxed", "max_files": 3}, "files and folders"),
        ((IN[0], IN[0]), {"file_system_access": "sandboxed"}, "two files"),
        ((IN[0], File(path="a.csv/x", content_base64=b"")), {"file_system_access": "sandboxed"}, "two files"),
        ((File(path="/".join("x" * 40), content_base64=b""),), {"file_system_access": "sandboxed"}, "deep"),
        ((), {"network_access": True}, "network"),
    ],
)
def test_declined(by_default, files, limits, word):
    """What cannot be done is declined with its reason and a remedy."""
    from host.models import ExecutionRequest

    refusal = by_default.adapter.accepts(
        ExecutionRequest(code="", files=files), Policy.model_validate({"name": "test", **limits})
    )
    assert refusal is not None
    assert word in refusal.reason
    assert refusal.remedy


async def test_traps_stay_inside(bench):
    """Links, pipes, sockets, sparse files, deep folders, bad names: nothing hurts the host, each is named."""
    code = """
import os, socket
os.symlink('/etc/passwd', 'link')
os.symlink('/', 'folderlink')
os.mkfifo('pipe')
socket.socket(socket.AF_UNIX).bind('socket')
with open('sparse', 'wb') as file:
    os.truncate('sparse', 4 << 20)
open(b'bad\\xff', 'w').close()
open('back\\\\slash', 'w').close()
open('closed', 'w').write('closed')
os.chmod('closed', 0)
os.mkdir('shut'); open('shut/in', 'w').write('in'); os.chmod('shut', 0)
for n in range(40):
    os.mkdir('d'); os.chdir('d')
open('bottom', 'w').write('x')
open('/work/good', 'w').write('good')
os.link('/work/good', '/work/hard')
"""
    result = await bench.run(code, max_file_bytes=8 << 20, max_files=100)
    assert result.status is Status.SUCCEEDED, result
    found = {file.path: file.content for file in result.files}
    assert found == {"closed": b"closed", "good": b"good", "hard": b"good", "shut/in": b"in", "sparse": bytes(4 << 20)}
    for name in ("link: a symbolic link", "pipe: no regular file", "UTF-8"):
        assert name in result.reason


async def test_sparse_files_do_not_come_out_beyond_the_limit(bench):
    """Files that look larger than the limit together are left, and the reason says so."""
    code = "import os\nfor n in range(3):\n    open(str(n), 'w').close(); os.truncate(str(n), 1 << 20)"
    result = await bench.run(code, max_file_bytes=2 << 20)
    assert [file.path for file in result.files] == ["0", "1"]
    assert "2: " in result.reason


async def test_files_of_a_failed_program_come_out(bench):
    """What a program wrote before it failed is kept."""
    result = await bench.run("open('kept', 'w').write('x')\n1/0")
    assert (result.status, [file.path for file in result.files]) == (Status.FAILED, ["kept"])
