"""JSON without the package json: the same trees, the same text, the same refusals."""

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.lazily import Module, json_dumps, json_loads

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(TREES)
def test_it_agrees_with_json(tree):
    """For every tree the text is that of json.dumps, and it is read back as json.loads reads it."""
    text = json_dumps(tree)
    assert text == json.dumps(tree, separators=(",", ":"))
    assert json_dumps(tree, sort_keys=True) == json.dumps(tree, separators=(",", ":"), sort_keys=True)
    assert json_loads(f" \n{text}\t ") == json.loads(text) == tree


@pytest.mark.parametrize(
    "text", ["", " ", "[", "[1,]", "nul", "1 2", "{'a': 1}", '"\n"', "NaN", "[Infinity]", "\ufeff1"]
)
def test_what_is_not_json_is_refused(text):
    """Broken text, a second value, raw control characters, constants and a byte order mark are each a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        json_loads(text)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_json_has_not_is_not_written(value):
    """NaN and infinity have tags of their own; bare they are refused."""
    with pytest.raises(ValueError, match=r"."):
        json_dumps([value])


def test_depth_is_an_error_and_no_crash():
    """A tree nested without end is a RecursionError both ways."""
    with pytest.raises(RecursionError):
        json_loads("[" * 1_000_000)
    tree: list = []
    for _ in range(200_000):
        tree = [tree]
    with pytest.raises(RecursionError):
        json_dumps(tree)
    while tree:
        tree = tree.pop()


def test_a_module_is_imported_when_something_of_it_is_wanted():
    """Naming a module imports nothing; using it does, once."""
    program = (
        "import sys\nfrom host.lazily import Module\nfractions = Module('fractions')\n"
        "print('fractions' in sys.modules, fractions.Fraction(1, 2), 'fractions' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False 1/2 True\n"
    assert Module("math").pi is math.pi


def test_an_interpreter_without_the_c_part_does_the_same():
    """Where _json cannot be had, json stands in."""
    program = (
        "import sys\nsys.modules['_json'] = None\nfrom host.lazily import json_dumps, json_loads\n"
        "print(json_dumps({'b': [1.5, 'é'], 'a': None}, sort_keys=True), json_loads(' {\"a\": [1, 2]} '))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == '{"a":null,"b":[1.5,"\\u00e9"]} {\'a\': [1, 2]}\n'
