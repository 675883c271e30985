"""What is declined, with its line; what is not."""

import pytest

from adapters.monty.decline import Decline
from adapters.monty.source import prepare

ACCEPTED = [
    "",
    "# only a comment",
    "result = 1",
    "out = []\nfor i, x in enumerate(xs):\n    out.append(x)\nout",
    "for i, row in enumerate(rows):\n    row.append(i)\nrows",
    "def f(xs):\n    total = 0\n    for a, b in zip(xs, xs[1:]):\n        total += a * b\n    return total\nf([1, 2])",
    "seen = set()\nout = []\nfor x in xs:\n    if x not in seen:\n        seen.add(x)\n        out.append(x)\nout",
    "unique = {x for x in xs}\nresult = unique",
    "sorted(set(xs) | set(ys))",
    "from collections import defaultdict\nd = defaultdict(list)\nfor k, v in pairs:\n    d[k].append(v)\nd",
    "def outer(f):\n    return f(2)\nouter(lambda n: n + 1)",
    "f'{price:.2f} {name} {when:%Y-%m-%d}'",
    "from typing import List, Optional\ndef f(xs: List[int]) -> Optional[int]:\n    return xs[0]\nf(xs)",
    "from __future__ import annotations\nx: list[int] = []\nx",
    "if __name__ == '__main__':\n    print('main')",
]

DECLINED = {
    "x = 1\ndisplay(x)": (2, "display"),
    "x = 1\nclass A: pass": (2, "class"),
    "def f():\n    yield 1": (2, "yield"),
    "x = {}\ndel x": (2, "del"),
    "import os": (1, "os"),
    "from os import path": (1, "os"),
    "import math\nmath.cbrt(8)": (2, "cbrt"),
    "__import__('os')": (1, "__import__"),
    "eval('1')": (1, "eval"),
    "exec('1')": (1, "exec"),
    "open('/etc/passwd')": (1, "open"),
    "().__class__.__bases__": (1, "__bases__"),
    "getattr(1, 'real')": (1, "getattr"),
    "globals()": (1, "globals"),
    "print(1, file=x)": (1, "keyword"),
    "a = [3]\nfor i, x in enumerate(a):\n    a.append(x)": (2, "a"),
    "a = [3]\nb = a\nfor i, x in enumerate(a):\n    b.append(x)": (3, "b"),
    "def grow(xs):\n    xs.append(1)\na = [3]\nfor i, x in enumerate(a):\n    grow(a)": (4, "xs"),
    "for x in {1, 2}:\n    print(x)": (1, "set"),
    "s = {1, 2}\nt = s\nprint(t)": (3, "set"),
    "s = set('ab')\n[x for x in s]": (2, "set"),
    "def f():\n    return {1, 2}\nlist(f())": (2, "set"),
    "any(x for x in [1])": (1, "generator"),
    "g = (x for x in [1])": (1, "generator"),
    "m = map(str, [1])": (1, "map"),
    "for x in map(int, ['1', 'a']):\n    print(x)": (1, "map"),
    "f = len\nf('a')": (1, "len"),
    "x = int": (1, "int"),
    "list = [1]\nlist": (1, "list"),
    "round(x, 2)": (1, "round"),
    "try:\n    pass\nexcept ValueError as e:\n    print(e)": (3, "except"),
    "raise ValueError(x)": (1, "ValueError"),
    "async def f(): pass": (1, "async"),
    "match x:\n    case 1: pass": (1, "match"),
    "with x: pass": (1, "with"),
    "'{:>5}'.format(x)": (1, "format"),
    "f'{x:>5}'": (1, "format"),
    "x.attr = 1": (1, "attr"),
    "lambda: hash(1)": (1, "hash"),
    "def f(:\n    pass": (0, "code"),
    "x = '\\ud800'": (1, "surrogate"),
    "a @ b": (0, "@"),
    "1j": (1, "complex"),
}


@pytest.mark.parametrize("code", ACCEPTED)
def test_accepts(code) -> None:
    """Ordinary programs are let through."""
    declined = prepare(code, frozenset(), None)
    assert not isinstance(declined, Decline), declined.refusal()


@pytest.mark.parametrize("code", DECLINED)
def test_declines(code) -> None:
    """The refusal names the construct, its line and a remedy."""
    line, named = DECLINED[code]
    declined = prepare(code, frozenset(), None)
    assert isinstance(declined, Decline)
    assert declined.line == line
    refusal = declined.refusal()
    assert named in refusal.reason
    assert refusal.remedy


def test_an_input_may_not_hide_a_builtin() -> None:
    """A plain name of an input that is a builtin's is declined, since the table speaks of the builtin."""
    assert isinstance(prepare("max(1, 2)", frozenset({"max"}), None), Decline)


def test_the_policy_decides_imports() -> None:
    """A module that the policy does not name is declined, and the reason lists what it names."""
    declined = prepare("from decimal import Decimal", frozenset(), ("math", "json"))
    assert isinstance(declined, Decline)
    assert "math, json" in declined.refusal().reason
    assert not isinstance(prepare("import math", frozenset(), ("math",)), Decline)


def test_long_code_is_not_parsed() -> None:
    """Code past 16 KB is declined before it is parsed."""
    declined = prepare("(" * 100_000, frozenset(), None)
    assert isinstance(declined, Decline)
    assert "16384" in declined.what


@pytest.mark.parametrize("code", ["(" * 5000, "-" * 9000 + "1", "x\0y", "[" * 300 + "]" * 300])
def test_what_breaks_parsers_is_declined(code) -> None:
    """Nesting that a parser gives up on is a refusal, not an error of ours."""
    assert isinstance(prepare(code, frozenset(), None), Decline)
