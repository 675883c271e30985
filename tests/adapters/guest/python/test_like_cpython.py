"""The Python guest against CPython itself: the same program leaves the same output, errors and exit code."""

import re
import subprocess
import sys

import pytest

PROGRAMS = {
    "plain": "print('hello')\nprint(__name__, __doc__, __spec__)",
    "error": "def f(a):\n    return a['x']\n\nf({})",
    "chained": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('bad') from e",
    "while handling": "try:\n    {}['a']\nexcept KeyError:\n    undefined",
    "from none": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('x') from None",
    "recursion": "def f(n):\n    return f(n + 1)\nf(0)",
    "group": "raise ExceptionGroup('g', [ValueError(1), ExceptionGroup('h', [TypeError('t')])])",
    "note": "e = ValueError('v')\ne.add_note('look here')\nraise e",
    "generator": "def g():\n    yield 1\n    raise RuntimeError('late')\nfor x in g():\n    print(x)",
    "long expression": "x = 1\ny = (x +\n     x / (x - 1))",
    "attribute": "class A:\n    colour = 1\nA.color",
    "name": "length = 3\nprint(lenght)",
    "import": "from math import sine",
    "syntax": "x = (1,\ny = 2",
    "late syntax": "print('never')\nbreak",
    "nested syntax": "eval('1 +')",
    "exec": "exec('def f():\\n    raise ValueError(5)\\nf()')",
    "exit message": "import sys\nsys.exit('stop')",
    "exit code": "raise SystemExit(7)",
    "exit in function": "def f():\n    exit(4)\nf()",
    "thread": "import threading\ndef f():\n    raise ValueError\nt = threading.Thread(target=f)\nt.start()\nt.join()",
    "unraisable": "class A:\n    def __del__(self):\n        1 / 0\na = A()\ndel a",
    "atexit": "import atexit\natexit.register(lambda: print('bye'))\nprint('hi')",
    "hook fails": "import sys\ndef hook(*a):\n    raise KeyError('hook')\nsys.excepthook = hook\n1 / 0",
    "printed traceback": "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()",
    "form feed": "x = 1\n\x0c\ny = 'a\u2028b'\n1 / 0",
    "unicode": "größe = '€'\nprint(größe, file=__import__('sys').stderr)\ngröße + 1",
    "surrogate": "print('\\udc80'.encode('utf-8', 'surrogateescape'))\nraise ValueError('\\ud800')",
    "assertion": "a = [1, 2]\nassert a == [\n    1,\n], f'{a}'",
    "bad str": "class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E",
    "base exception": "class Stop(BaseException):\n    pass\nraise Stop('now')",
    "local exception": "def f():\n    class Inner(Exception):\n        pass\n    raise Inner('x')\nf()",
    "async": "import asyncio\nasync def f():\n    raise OSError(2, 'gone')\nasyncio.run(f())",
    "signal": "import os, signal\nprint('x', flush=True)\nos.kill(os.getpid(), signal.SIGTERM)",
    "finalizer": "class A:\n    def __del__(self):\n        print('gone')\nkeep = A()",
    "stdin": "try:\n    input('? ')\nexcept EOFError:\n    print('none')",
    "beside": "import os\nprint(os.path.isabs(__file__), os.path.dirname(__file__) == os.getcwd())",
    "crlf": "x = 1\r\nif x:\r\n    1 / 0\r\n",
    "walrus and match": "match [1, 2]:\n    case [a, *b] if (c := a):\n        print(a, b, c)",
    "big int": "print(10 ** 5000)",
    "deep": "def f(n):\n    return f(n - 1) if n else 'bottom'\nprint(f(990))",
}  # fmt: skip


@pytest.mark.parametrize("way", ["run_python", "run_warm"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_output_errors_and_exit_code_are_those_of_cpython(request, tmp_path, name, way):
    """Standard output, standard error and the exit code are CPython's own, but for the folder of the file; so they are
    in a clone of a process that had the guest imported.
    """
    run = request.getfixturevalue(way)
    code = PROGRAMS[name]
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "program.py").write_bytes(code.encode())
    plain = subprocess.run(
        [sys.executable, "-X", "utf8", "program.py"],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )
    ended = run(code)
    assert ended.stdout == plain.stdout.decode()
    expected = plain.stderr.decode().replace(f"{folder}/program.py", "program.py")
    assert _addresses_hidden(ended.stderr) == _addresses_hidden(expected)
    assert ended.code == plain.returncode


def _addresses_hidden(text):
    return re.sub(r"0x[0-9a-f]+", "0x", text)
