"""Programs that read and leave files, ordinary ones and traps for whoever collects them."""

# ruff: noqa: E501 - programs are data, and read better unbroken

from typing import Any

from host.models import ExecutionResult, Status
from host.testing.program import Program

__all__ = ["PROGRAMS"]


def _came_out(expected: dict[str, bytes]) -> Any:
    """A look at the files of a result: exactly these, in any order."""

    def also(result: ExecutionResult) -> str | None:
        seen = {file.path: file.content for file in result.files}
        return None if seen == expected else f"files out are {_sizes(seen)}, expected {_sizes(expected)}"

    return also


def _sizes(files: dict[str, bytes]) -> dict[str, int]:
    return {path: len(content) for path, content in files.items()}


def _at_least(path: str, content: bytes) -> Any:
    """A look at the files of a result: this one is among them."""

    def also(result: ExecutionResult) -> str | None:
        seen = {file.path: file.content for file in result.files}
        return None if seen.get(path) == content else f"{path} did not come out; files out are {_sizes(seen)}"

    return also


def _at_most(expected: dict[str, bytes]) -> Any:
    """A look at the files of a result: these or fewer, and no others."""

    def also(result: ExecutionResult) -> str | None:
        seen = {file.path: file.content for file in result.files}
        return None if seen.items() <= expected.items() else f"files out are {_sizes(seen)}"

    return also


_STRANGE_NAMES = (
    "é",
    "e\u0301",
    "-rf",
    " a  b ",
    "名前",
    "\U0001f600",
    "...",
    "x" * 200,
    "A",
    "a",
    "con",
    "%2e%2e",
    "a:b*?",
)


def _p(name: str, code: str, proves: str, **more: Any) -> Program:
    language = more.pop("language", "python")
    return Program(name=f"files-{name}", language=language, code=code, proves=proves, moves_files=True, **more)


PROGRAMS = (
    _p(
        "in",
        "result = open('a.csv').read() + open('sub/b.bin', 'rb').read().hex()",
        "Files of the request are in the work folder, folders and all.",
        files={"a.csv": b"x,y\n", "sub/b.bin": b"\x00\xff"},
        value="x,y\n00ff",
    ),
    _p(
        "out",
        "import os\nos.makedirs('deep/er')\nopen('deep/er/out.bin', 'wb').write(b'\\x00\\xff')\nopen('empty', 'w').close()",
        "Files that a program writes come out, folders and all.",
        also=_came_out({"deep/er/out.bin": b"\x00\xff", "empty": b""}),
    ),
    _p(
        "changed",
        "open('a.txt', 'a').write('more')",
        "A file that the program changed comes out as it is now.",
        files={"a.txt": b"some ", "same.txt": b"same"},
        also=_at_least("a.txt", b"some more"),
    ),
    _p(
        "names-in",
        "import os\nresult = {name: open(os.path.join('.', name)).read() for name in sorted(os.listdir('.'))}",
        "Files go in under the names that they were given: composed and decomposed letters, spaces, dashes, other scripts.",
        files={name: name.encode("ascii", "namereplace") for name in _STRANGE_NAMES},
        value={name: name.encode("ascii", "namereplace").decode() for name in sorted(_STRANGE_NAMES)},
    ),
    _p(
        "names-out",
        f"import os\nfor name in {sorted(_STRANGE_NAMES)!a}:\n    open(os.path.join('.', name), 'w').write(ascii(name))",
        "Files come out under the names that they have, also where two differ only in how a letter is composed.",
        also=_came_out({name: ascii(name).encode() for name in _STRANGE_NAMES}),
    ),
    _p(
        "failed",
        "open('kept', 'w').write('k')\n1/0",
        "Files of a program that failed come out.",
        status=(Status.FAILED,),
        also=_came_out({"kept": b"k"}),
    ),
    _p(
        "timed-out",
        "open('kept', 'w').write('k')\nwhile True:\n    pass",
        "Files of a program that was stopped come out, or none do; nothing hangs.",
        limits={"max_execution_time": 1500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
        also=_at_most({"kept": b"k"}),
    ),
    _p(
        "deleted",
        "import os\nos.remove('a.txt')\nos.makedirs('empty/folder')",
        "A file that the program removed does not come back, and empty folders leave nothing.",
        files={"a.txt": b"a"},
        also=_came_out({}),
    ),
    _p(
        "many",
        "try:\n    for n in range(5000):\n        open(f'f{n}', 'w').close()\nexcept OSError:\n    pass\nresult = 1",
        "No more files come out than the policy gives, however many a program makes.",
        needs=("max_files",),
        limits={"max_files": 20},
        value=1,
        also=lambda result: None if len(result.files) <= 20 else f"{len(result.files)} files came out",
    ),
    _p(
        "much",
        "try:\n    with open('big', 'wb') as file:\n        for n in range(64):\n            file.write(b'x' * 65536)\nexcept OSError:\n    pass\nresult = 1",
        "No more bytes come out than the policy gives, however many a program writes.",
        needs=("max_file_bytes",),
        limits={"max_file_bytes": 1 << 20},
        value=1,
        also=lambda result: (
            None
            if sum(len(file.content) for file in result.files) <= 1 << 20
            else "more came out than the policy gives"
        ),
    ),
    _p(
        "set-user-id",
        "import os\nopen('a', 'w').write('a')\nos.chmod('a', 0o6755)",
        "Of a file with a set-user-id bit the content comes out, and the bit goes nowhere.",
        also=_came_out({"a": b"a"}),
    ),
    _p(
        "loops",
        "import os\nfor name, target in (('itself', 'itself'), ('a', 'b'), ('b', 'a'), ('here', '.'), ('nowhere', 'nothing')):\n"
        "    os.symlink(target, name)\nopen('real', 'w').write('r')",
        "Links that lead nowhere, to themselves or round in a ring are left behind.",
        also=_came_out({"real": b"r"}),
    ),
    _p(
        "symlinks",
        "import os\nfor name, target in (('out', '/etc/hostname'), ('up', '../../../../etc/passwd'), ('proc', '/proc/self/environ'), ('dir', '/')):\n"
        "    os.symlink(target, name)\nopen('real', 'w').write('r')\nos.symlink('real', 'inside')",
        "A symbolic link is never followed by the host.",
        also=_came_out({"real": b"r"}),
    ),
    _p(
        "special",
        "import os, socket\nos.mkfifo('pipe')\nsocket.socket(socket.AF_UNIX).bind('sock')\nopen('real', 'w').write('r')",
        "A FIFO or a socket is left behind and nobody waits for it.",
        also=_came_out({"real": b"r"}),
    ),
    _p(
        "deep",
        "import os\ntry:\n    for _ in range(1000):\n        os.mkdir('d')\n        os.chdir('d')\nexcept OSError:\n    pass\nresult = 1",
        "A very deep folder does no harm.",
        value=1,
    ),
    _p(
        "sparse",
        "with open('sparse', 'wb') as file:\n    file.truncate(1 << 40)\nresult = 1",
        "A sparse file of a terabyte is not read into the host.",
        status=(Status.SUCCEEDED, Status.FAILED, Status.OUTPUT_LIMIT, Status.KILLED),
        also=lambda result: (
            None if sum(len(file.content) for file in result.files) <= 1 << 28 else "the host took all of it"
        ),
    ),
    _p(
        "odd-names",
        "import os\nfor name in (b'new\\nline', b'\\xff\\xfe', b'back\\\\slash', b'-rf', b' ', b'\\x1b[31m', '\\U0001f600'.encode()):\n"
        "    open(os.path.join(b'.', name), 'w').close()\nopen('plain', 'w').write('p')\nresult = 1",
        "Odd names do no harm, and ordinary files beside them come out.",
        value=1,
        also=_came_out({"plain": b"p", "-rf": b"", " ": b"", "\U0001f600": b""}),
    ),
    _p(
        "unreadable",
        "import os\nopen('secret', 'w').write('s')\nos.chmod('secret', 0)\nos.mkdir('closed')\nos.chmod('closed', 0)\nresult = 1",
        "Files without permissions do no harm.",
        value=1,
    ),
    _p(
        "hard-links",
        "import os\nopen('a', 'w').write('a')\nos.link('a', 'b')",
        "Both names of one file come out.",
        also=_came_out({"a": b"a", "b": b"a"}),
    ),
    _p(
        "in",
        'result = Deno.readTextFileSync("a.csv"); Deno.writeTextFileSync("b.txt", "b")',
        "JavaScript reads files and leaves some.",
        language="javascript",
        files={"a.csv": b"x,y\n"},
        value="x,y\n",
        also=_at_least("b.txt", b"b"),
    ),
    _p(
        "in",
        "result=$(cat a.csv); echo b > b.txt",
        "Bash reads files and leaves some.",
        language="bash",
        files={"a.csv": b"x,y\n"},
        also=_at_least("b.txt", b"b\n"),
    ),
)
