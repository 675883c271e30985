"""Whether what was typed is a whole command: by language, at a terminal and in a pipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.cli.completeness import goes_on

TYPED = {
    "python": {
        "goes on": [
            "if x:",
            "def f():\n    return 1",
            "(1,",
            '"""abc',
            "@f",
            "x = [",
            "class A:",
            "for a in b:\n    c",
        ],
        "whole": [
            "x = 1",
            "def f():\n    return 1\n",
            "f(1)",
            "1 +",
            "print('''a\nb''')",
            "x = \\\n1",
            "'\\d'",
            "\x00",
        ],
    },
    "javascript": {
        "goes on": [
            *("function f() {", "const x =", "[1,", "`a ${b", "`a ${`b`}", "/* no end", "x => ", "foo(a, b,", "a &&"),
            *("if (a) {\n  b();", "const f = async (x) =>", "class A extends", "return await", "({ a: [1, 2] })[0"),
        ],
        "whole": [
            *("const x = 1", "f()", "i++", "`a ${b} c`", "'it\\'s {'", '"("', "// a {", "/* ( */ 1", "a / b / c"),
            *("x = /[/(]{/g", "return /\\(/", "label:", "}", "'no end", "const s = `a\nb`", "[1, 2].map((x) => x * 2)"),
        ],
    },
    "sql": {
        "goes on": ["SELECT 1", "SELECT\n1", "SELECT ';", 'SELECT ";"', "SELECT $$ ; $$", "-- done;", "SELECT 1 /* ;"],
        "whole": ["SELECT 1;", "SELECT ';';", "SELECT 1\n", "SELECT 1; -- done", "SELECT $$ ; $$;", "SELECT 'it''s';"],
    },
    "bash": {"goes on": ["a \\"], "whole": ["a", "a && b"]},
}


@pytest.mark.parametrize(("language", "text"), [(name, text) for name in TYPED for text in TYPED[name]["goes on"]])
def test_at_a_terminal_it_goes_on(language, text):
    """What is open, or ends where nothing can end, wants another line."""
    assert goes_on(text, language, typed=True)


@pytest.mark.parametrize(("language", "text"), [(name, text) for name in TYPED for text in TYPED[name]["whole"]])
def test_at_a_terminal_it_is_whole(language, text):
    """What could be run as it is, is; and what can never be right is too: the guest says what is wrong."""
    assert not goes_on(text, language, typed=True)


@pytest.mark.parametrize(
    ("language", "text", "following", "expected"),
    [
        ("python", "def f():\n    return 1", "f()", False),
        ("python", "def f():\n    a = 1\n", "    return a", True),
        ("python", "if a:\n    b", "else:", True),
        ("python", "try:\n    b", "finally:", True),
        ("python", "x = 1", "", True),
        ("python", "x = 1", "y = 2", False),
        ("python", '"""a', "b", True),
        ("python", "elsewhere = 1", "elsewhere", False),
        ("python", "if a:", None, False),
        ("javascript", "if (a) {\n}", "else { b() }", True),
        ("javascript", "promise", "  .then(f)", True),
        ("javascript", "const a = 1", "const b = 2", False),
        ("sql", "SELECT 1;", "SELECT 2;", False),
        ("sql", "SELECT 1", "", True),
    ],
)
def test_in_a_pipe_the_next_line_decides(language, text, following, expected):
    """A block ends where the next line does not belong to it; an empty line ends nothing."""
    assert goes_on(text, language, following, typed=False) is expected


@given(st.sampled_from(sorted(TYPED)), st.text(st.sampled_from("ab\n '\"`\\/*${}()[];-=:"), max_size=60), st.booleans())
def test_it_answers_whatever_is_typed(language, text, typed):
    """Any text gets an answer, and an empty one is no command."""
    assert isinstance(goes_on(text, language, typed=typed), bool)
    assert not goes_on(" \n", language, typed=typed)
