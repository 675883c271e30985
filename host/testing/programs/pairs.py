"""Two programs, one after the other: what the first leaves behind must not reach the second."""

# ruff: noqa: E501 - programs are data, and read better unbroken

from dataclasses import dataclass
from typing import Any

__all__ = ["PAIRS", "Pair"]


@dataclass(frozen=True)
class Pair:
    """``first`` spoils all it can reach; ``second`` gives ``value`` where nothing of it is left."""

    language: str
    name: str
    first: str
    second: str
    value: Any

    @property
    def id(self) -> str:
        return f"{self.language}-{self.name}"


PAIRS = (
    Pair(
        "python",
        "everything",
        "import builtins, json, os, sys, tempfile\n"
        "builtins.leak = 1\njson.dumps = lambda *_, **__: 'leak'\nos.environ['LEAK'] = '1'\nsys.modules['leak'] = os\n"
        "for folder in ('.', tempfile.gettempdir(), '/dev/shm', '/var/tmp'):\n"
        "    try:\n        open(os.path.join(folder, 'leak.txt'), 'w').write('leak')\n    except OSError:\n        pass\n"
        "try:\n    os.chdir('/')\nexcept OSError:\n    pass\nos.umask(0o777)\nsys.setrecursionlimit(50_000)\n",
        "import builtins, json, os, sys, tempfile\n"
        "found = [name for name, there in {\n"
        "    'builtin': hasattr(builtins, 'leak'), 'module': json.dumps(1) != '1', 'environ': 'LEAK' in os.environ,\n"
        "    'sys.modules': 'leak' in sys.modules, 'umask': os.umask(0) == 0o777, 'recursion': sys.getrecursionlimit() == 50_000,\n"
        "    'global': 'found' in dir()}.items() if there]\n"
        "for folder in ('.', tempfile.gettempdir(), '/dev/shm', '/var/tmp'):\n"
        "    if os.path.exists(os.path.join(folder, 'leak.txt')):\n        found.append(folder)\n"
        "result = found\n",
        [],
    ),
    Pair("python", "names", "leak = 1\ndef f(): pass", "result = sorted(set(globals()) & {'leak', 'f'})", []),
    Pair(
        "python",
        "plain-name",
        "leak = 1",
        "try:\n    leak\n    result = 'leaked'\nexcept NameError:\n    result = 'clean'",
        "clean",
    ),
    Pair(
        "javascript",
        "globals",
        "globalThis.leak = 1; JSON.parse = () => 'leak'; Object.prototype.leak = 1;",
        "result = [typeof globalThis.leak, JSON.parse('1'), 'leak' in {}]",
        ["undefined", 1, False],
    ),
    Pair(
        "typescript",
        "globals",
        "(globalThis as any).leak = 1;",
        "result = typeof (globalThis as any).leak",
        "undefined",
    ),
    Pair(
        "bash",
        "everything",
        "export LEAK=1; leak() { :; }; echo leak > leak.txt; echo leak > /tmp/leak.txt",
        'result="${LEAK:-}$(type leak 2>/dev/null)$(cat leak.txt /tmp/leak.txt 2>/dev/null)clean"; true',
        "clean",
    ),
    Pair(
        "sql",
        "tables",
        "CREATE TABLE leak (a INTEGER); SELECT 1",
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'leak'",
        0,
    ),
    Pair(
        "elixir",
        "application",
        "Application.put_env(:kernel, :leak, 1)\n1",
        "Application.get_env(:kernel, :leak)",
        None,
    ),
)
