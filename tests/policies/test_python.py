"""What validation says of Python."""

import os
import subprocess
import sys
import warnings

import pytest

from policies.facts import TooComplexError
from policies.python import read


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from __future__ import annotations\nimport math, json\nfrom datetime import date", []),
        ("import decimal", ["decimal"]),
        ("import os.path as p", ["os.path"]),
        ("from os import path", ["os"]),
        ("def f():\n    import random\n", ["random"]),
        ("__import__('socket')", ["socket"]),
        ("import importlib\nimportlib.import_module('ssl')", ["importlib", "ssl"]),
    ],
)
async def test_imports_are_held_against_the_list(validate, code, names):
    """Every import that the list lacks is denied where it stands, wherever that is and by whatever road."""
    verdict = await validate(code)
    denied = [risk for risk in verdict.risks if risk.rule == "import-not-allowed"]
    assert [risk.message.split("`")[1] for risk in denied] == names
    assert verdict.verdict == ("denied" if names else "safe")


async def test_a_denial_names_place_and_remedy(validate):
    """The sentence names module and policy, the remedy a policy that allows it, the place line and column."""
    (risk,) = (await validate("x = 1\nimport decimal\n")).risks
    assert "`decimal` is not in policy strict" in risk.message
    assert "ask for policy standard" in risk.remedy
    assert (risk.line, risk.column, risk.severity) == (2, 8, "deny")


async def test_the_column_counts_characters(validate):
    """A column is in characters, whatever they take as bytes."""
    (risk,) = (await validate("é = 'ü'; import os")).risks
    assert (risk.line, risk.column) == (1, 17)


async def test_a_limit_of_the_request_is_named_as_such(validate, named):
    """Where the request itself left the module out, the remedy says so."""
    tightened = named["strict"].model_copy(update={"allowed_imports": ("math",)})
    (risk,) = (await validate("import json", policy=tightened)).risks
    assert "request's own limits" in risk.remedy


async def test_members_that_are_all_allowed_are_enough(validate, named):
    """``from xml import dom`` needs xml, or else xml.dom."""
    narrow = named["strict"].model_copy(update={"allowed_imports": ("xml.dom",)})
    assert (await validate("from xml import dom", policy=narrow)).verdict == "safe"
    assert (await validate("from xml import dom, sax", policy=narrow)).verdict == "denied"
    assert (await validate("import xml", policy=narrow)).verdict == "denied"


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("eval('1')", "runs-text"),
        ("exec('x = 1')", "runs-text"),
        ("().__class__.__mro__", "reaches-internals"),
        ("getattr(object, '__subclasses__')()", "reaches-internals"),
        ("x = __builtins__", "reaches-internals"),
        ("__import__(name)", "import-not-constant"),
    ],
)
async def test_tricks_are_warned_of_and_where_anything_goes_only_noted(validate, code, rule):
    """A way around the list is a warning under a list and a note without one; neither stops the run."""
    strict, standard = await validate(code), await validate(code, policy="standard")
    assert (strict.verdict, standard.verdict) == ("safe", "safe")
    assert (rule, "warn") in [(risk.rule, risk.severity) for risk in strict.risks]
    assert (rule, "info") in [(risk.rule, risk.severity) for risk in standard.risks]


async def test_standard_denies_nothing(validate):
    """Under a policy without a list ctypes, os.system and sockets are at most notes: the wall contains them."""
    code = "import ctypes, os, socket, subprocess\nos.system('id')\nexec(input())"
    verdict = await validate(code, policy="standard")
    assert verdict.verdict == "safe"
    assert {risk.severity for risk in verdict.risks} == {"info"}


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [
        ("x = (1,\n", 1, 5),
        ("a b", 1, 1),
        ("if True:\nx", 2, 1),
        ("def f(:\n pass", 1, 7),
        ("x = 1\ny = '", 2, 5),
        ("\0", 1, 1),
        ("x = '\ud800'", 1, 1),
    ],
)
async def test_what_cannot_be_parsed_is_the_programs_own_failure(validate, code, line, column):
    """It is no denial: the verdict has the error, with its place."""
    verdict = await validate(code)
    assert verdict.verdict == "safe"
    assert verdict.error.line == line
    assert verdict.error.column >= column
    assert "Error" in verdict.error.message
    assert not verdict.deterministic


@pytest.mark.parametrize("code", ["-" * 5000 + "1", "not " * 4000 + "1", "(" * 199 + ")" * 199, "a" + ".a" * 4000])
def test_deep_nesting_ends_in_an_answer(code):
    """What overflows Python's own parser is told as such or is a syntax error; nothing else comes out of it."""
    try:
        facts = read(code)
    except TooComplexError:
        return
    assert facts.error is None or "Error" in facts.error.message


def test_warnings_of_the_code_do_not_leak():
    """An invalid escape warns the program's author at most, never the host, even where warnings are errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        assert read("x = '\\d'\n1 is 1\nassert (1, 'x')").error is None
    assert caught == []


STEADY = r"""
1 + 1
from decimal import Decimal\nDecimal('1.10') * 3
sorted({'b', 'a'})
'a' in {'a', 'b'}
len(set(['a', 'b', 'a']))
s = set()\nfor w in ['a', 'b']:\n    s.add(w)\nprint(sorted(s))
sum(len(w) for w in {'a', 'bb'})
{w.upper() for w in {'a', 'b'}} == {'A', 'B'}
result = {'a', 'b'}
a = {1} | {2}\nmax(a)
x = {'b': 1, 'a': 2}\nlist(x)
import json\njson.dumps({'a': [1, 2]})
from datetime import date\ndate(2026, 11, 21).isoformat()
[f(x) for f, x in zip([len], [[1, 2]])]
class P(Exception): pass\ntry:\n    raise P('x')\nexcept P as error:\n    print(error)
id = 5\nprint(id)
print(*map(str, [1, 2]))
""".strip().split("\n")

UNSTEADY = r"""
import random\nrandom.random()
import time
from datetime import datetime\ndatetime.now()
import datetime\ngetattr(datetime.date, 'today')()
for w in {'a', 'b'}: print(w)
list({'a', 'b'})
print({'a', 'b'})
s = {'a'}\nt = s\nprint(t)
s = set('ab')\nx = list(s)
max({'aa', 'bb'}, key=len)
{w: 1 for w in {'a', 'b'}}
a = {'x': 1}\nb = {'x': 2}\nprint(a.keys() & b.keys())
','.join({'a', 'b'})
hash('a')
id(x)
sorted(xs, key=id)
print(object())
print(x for x in [1])
m = map(str, [1])\nprint(m)
print(lambda: 1)
def f(): pass\nf
class C: pass\nprint(C())
open('f').read()
import os
import threading
eval('1')
getattr(x, name)
globals()
x.__subclasses__()
from . import y
import importlib
""".strip().split("\n")


@pytest.mark.parametrize("code", STEADY)
async def test_what_is_told_to_be_deterministic_gives_the_same_under_two_hash_seeds(validate, code):
    """Deterministic code, run by two interpreters with different hash seeds, prints the same and ends with the same."""
    code = code.replace("\\n", "\n")
    assert (await validate(code, policy="standard")).deterministic
    show = "import ast, sys; t = ast.parse(sys.argv[1]); s = {}; exec(compile(t, 'c', 'exec'), s)"
    show += "; print(sorted(s['result']) if isinstance(s.get('result'), set) else s.get('result'))"
    command = [sys.executable, "-S", "-c", show, code]
    outputs = {
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("code", UNSTEADY)
async def test_clock_chance_order_and_environment_are_not_deterministic(validate, code):
    """False in doubt: clock, chance, hashes, order of sets, addresses, files, threads, and code that cannot be seen."""
    assert not (await validate(code.replace("\\n", "\n"), policy="standard")).deterministic
