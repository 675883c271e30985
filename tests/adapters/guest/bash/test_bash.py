"""The Bash guest as a bare process: inputs as data, the value of ``result``, messages that count the caller's lines."""

import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.guest.bash.host import BashGuest, text_of
from host.values import Image, Opaque, Table

NASTY = "$(id) `id` \\x41 \\\\ \x1e '\" ${HOME} * ~ {a,b} \n\t é😀\n\n"


@pytest.fixture(scope="module")
def run(bare_run):
    return bare_run(BashGuest())


def test_inputs_are_data(run):
    """Keys and texts reach the array `inputs` byte for byte, and nothing in them is expanded or run."""
    keys = [NASTY, "@", "*", "]$(id)", " ", "-n", "__understudy_code", "inputs"]
    code = 'for key in "${!inputs[@]}"; do printf "%s\\x1f%s\\x1f" "$key" "${inputs[$key]}"; done'
    ended = run(code, {key: f"{number}{NASTY}" for number, key in enumerate(keys)})
    parts = ended.stdout.split("\x1f")[:-1]
    assert dict(zip(parts[::2], parts[1::2], strict=True)) == {
        key: f"{number}{NASTY}" for number, key in enumerate(keys)
    }
    assert ended.exit_code == 0


def test_any_text_comes_back_equal(run):
    """A text given as input and returned as it is comes back equal."""
    letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    texts = st.lists(st.text(letters, max_size=30), min_size=1, max_size=60)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(texts)
    def law(values):
        code = "for ((i = 0; i < ${#inputs[@]}; i++)); do result+=\"${inputs[k$i]}\"$'\\x1d'; done"
        values = [value.replace("\x1d", "") for value in values]
        ended = run(code, {f"k{number}": value for number, value in enumerate(values)})
        assert ended.report.decode() == "".join(value + "\x1d" for value in values)

    law()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (2**70, "1180591620717411303424"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (Decimal("1.10"), "1.10"),
        (Fraction(1, 3), "1/3"),
        (datetime.date(2026, 11, 21), "2026-11-21"),
        (datetime.time(14, 5), "14:05:00"),
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "2026-01-02T00:00:00+00:00"),
        (datetime.timedelta(seconds=5.25), "PT5.25S"),
        (b"\x00\xff", "AP8="),
        (Image("image/png", b"\x00"), "AA=="),
        ([1, "é", {"a": None}], '[1,"é",{"a":null}]'),
        ({"a": Decimal("1.0")}, '{"a":{"$type":"decimal","value":"1.0"}}'),
        ({2, 1}, "[1,2]"),
        (Table(["a"], [[1]]), '{"$type":"table","columns":["a"],"rows":[[1]]}'),
        (Opaque("Foo", "<Foo>"), "<Foo>"),
    ],
)
def test_each_type_has_its_text(value, text):
    """Every type of input has the text that the table in `text_of` gives."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("inputs", "word"),
    [({"a": "x\0"}, "NUL"), ({"a\0": ""}, "NUL"), ({"": 1}, "empty name"), ({"a": "\ud800"}, "surrogate")],
)
def test_what_bash_cannot_hold_is_refused_before_the_run(run, inputs, word):
    """Inputs that no Bash variable can hold raise ValueError, with the reason."""
    with pytest.raises(ValueError, match=word):
        run(":", inputs)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("result=$((6 * 7))", b"42"),
        ("declare -i result=6*7", b"42"),
        ("result=5; exit 0", b"5"),
        ("f() { result=deep; exit; }; f", b"deep"),
        ("result=(a b 'c d')", b"a\nb\nc d"),
        ("trap 'echo bye' EXIT; result=9", b"9"),
        ("set -eux; result=1", b"1"),
        ("IFS=,; result='a b'", b"a b"),
        ("echo only output", b""),
        ("unset result", b""),
        ("result=5; exit 4", b""),
        ("result=5; false", b""),
    ],
)
def test_the_value_is_the_variable_result(run, code, value):
    """`result` goes out as text when the program ends with 0, however it ends, and else nothing does."""
    assert run(code).report == value


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("exit 3", 3),
        ("false", 1),
        ("set -e\nfalse\necho no", 1),
        ("nosuch", 127),
        ("kill -TERM $$", -15),
        ("if then", 2),
    ],
)
def test_the_exit_code_is_the_programs_own(run, code, exit_code):
    """The program ends as it would on its own: its last status, its exit, its signal."""
    assert run(code).exit_code == exit_code


def test_messages_count_the_callers_lines(run):
    """Bash's own messages name program.sh and the caller's line, in functions and in syntax errors too."""
    assert "/program.sh: line 3: nosuch: command not found" in run("f() {\n  :\n  nosuch\n}\nf").stderr
    assert "line 2: syntax error" in run("echo 1\nif then").stderr
    assert "program.sh: line 1: missing: unbound variable" in run("set -u; echo $missing").stderr


def test_output_and_report_are_kept_apart(run):
    """stdout, stderr and the value each have a channel of their own."""
    ended = run("echo out; echo err >&2; result=value")
    assert (ended.stdout, ended.stderr, ended.report) == ("out\n", "err\n", b"value")


def test_stdin_is_empty_and_nothing_is_in_the_way(run):
    """The program reads nothing from stdin, has no arguments, is called program.sh and finds the usual commands."""
    assert run('cat; read -r line || result="$0 $# [$line]"').report == b"program.sh 0 []"
    assert run("result=$(printf 'b\\na\\n' | sort | sed s/a/x/ | tr '\\n' ' ' | awk '{print $1 $2}')").report == b"xb"


def test_text_counts_characters(run):
    """The locale is UTF-8: lengths count characters."""
    assert run("result=${#inputs[a]}", {"a": "é😀"}).report == b"2"
