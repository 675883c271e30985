"""The Elixir guest as a bare process: typed values both ways, the program's value, errors on the caller's lines."""

import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.guest.elixir.host import ElixirGuest
from adapters.guest.reports import read_report
from host.values import Image, Opaque, Table


@pytest.fixture(scope="module")
def run(bare_run, tmp_path_factory):
    return bare_run(ElixirGuest(tmp_path_factory.mktemp("state")))


def test_values_come_back_equal(run, typed_values, fingerprint):
    """A value given as input and returned as it is comes back equal, whatever its type and depth."""

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(typed_values, min_size=30, max_size=120))
    def law(values):
        returned = run('inputs["values"]', {"values": values}).value
        for given_value, value in zip(values, returned, strict=True):
            assert fingerprint(value) == fingerprint(given_value)

    law()


def test_each_type_has_its_elixir_form(run):
    """Every wire type becomes the Elixir type that the table in values.exs names."""
    checks = {
        "is_nil(V)": None,
        "V === 1180591620717411303424": 2**70,
        "V === 1.5": 1.5,
        "V === :nan": float("nan"),
        'V === "é😀"': "é😀",
        'V === %Decimal{sign: 1, coef: 110, exp: -2} and "#{V}" == "1.10"': Decimal("1.10"),
        "V.numerator == 1 and V.denominator == 3": Fraction(1, 3),
        "V.re == 1 and V.im == 2": 1 + 2j,
        "V == ~D[2026-11-21]": datetime.date(2026, 11, 21),
        "V == ~T[14:05:00]": datetime.time(14, 5),
        "V == ~N[2026-01-02 03:04:05]": datetime.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001
        "V == ~U[2026-01-02 03:04:05Z]": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "V.microseconds == 1_500_000": datetime.timedelta(seconds=1.5),
        "V.data == <<0, 255>>": b"\x00\xff",
        "V == MapSet.new([1, 2])": {1, 2},
        'V == %{1 => "a"}': {1: "a"},
        'V == %{"$x" => 1}': {"$x": 1},
        'V.columns == ["a"] and Table.maps(V) == [%{"a" => 1}]': Table(["a"], [[1]]),
        'V.mime == "image/png" and V.data == "x"': Image("image/png", b"x"),
        'V.class == "Foo"': Opaque("Foo", "<Foo>"),
    }
    parts = [check.replace("V", f'inputs["{number}"]') for number, check in enumerate(checks)]
    inputs = {str(number): value for number, value in enumerate(checks.values())}
    returned = run("[" + ", ".join(parts) + "]", inputs).value
    assert dict(zip(checks, returned, strict=True)) == dict.fromkeys(checks, True)


def test_elixir_values_get_their_wire_type(run):
    """What a program makes itself goes out as the type that fits it."""
    made = {
        ":ok": "ok",
        "{1, :b}": [1, "b"],
        "[a: 1]": [["a", 1]],
        "%{a: 1}": {"a": 1},
        "1..3": [1, 2, 3],
        "<<255, 0>>": b"\xff\x00",
        "MapSet.new([%{}])": [{}],
        "%{%{} => 1}": [[{}, 1]],
        "Map": "Map",
        'Decimal.add("1.10", "2.2") |> Decimal.round(1)': Decimal("3.3"),
        'Decimal.round("2.5", 0, :half_even)': Decimal("2"),
        'Decimal.mult(Decimal.new("0.10"), 3)': Decimal("0.30"),
        '%Table{columns: ["a"], rows: [[1]]}': Table(["a"], [[1]]),
        "~D[2026-11-21]": datetime.date(2026, 11, 21),
        "~U[2026-01-02 03:04:05Z]": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "%RuntimeError{}": Opaque("RuntimeError", "runtime error"),
    }
    assert run("[" + ", ".join(made) + "]").value == list(made.values())


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("x = 20\nx * 2 + 2", 42),
        ("result = 1\n2", 1),
        ("a = 1", 1),
        ("", None),
        ("defmodule Point do\n  defstruct [:x]\nend\n\n%Point{x: 3}.x", 3),
        ("import Enum\nsum([1, 2])", 3),
        ("defmodule Decimal do\n  def new(x), do: x\nend\nDecimal.new(7)", 7),
    ],
)
def test_the_value_is_result_or_the_last_expression(run, code, value):
    """The value is the variable `result` if the program binds one, else that of its last expression."""
    assert run(code).value == value


def test_errors_point_at_the_callers_lines(run):
    """The report and the trace name program.exs and the caller's line, and nothing of the guest's."""
    ended = run("x = 1\n\ny = 1 / (x - 1)\nz = 3")
    assert (ended.exit_code, ended.error["type"], ended.error["line"]) == (1, "ArithmeticError", 3)
    assert "program.exs:3: (file)" in ended.stderr
    nested = run('defmodule F do\n  def f(x) do\n    raise "no #{x}"\n  end\nend\nEnum.map([1], &F.f/1)')
    assert (nested.error["type"], nested.error["message"], nested.error["line"]) == ("RuntimeError", "no 1", 3)
    assert "program.exs:3: F.f/1" in nested.stderr
    for said in (ended.stderr, nested.stderr):
        assert "Understudy" not in said
        assert "erl_eval" not in said


@pytest.mark.parametrize(
    ("code", "kind", "line", "column"),
    [
        ("a = 1\nfoo(a", "TokenMissingError", 2, 6),
        ("a = 1\nnope + 1", "CompileError", 2, None),
        ("throw :x", "throw", 1, 1),
        ("exit(:boom)", "exit", 1, 1),
        ('Task.async(fn -> raise "deep" end) |> Task.await()', "RuntimeError", 1, None),
    ],
)
def test_every_kind_of_failure_is_reported(run, code, kind, line, column):
    """Syntax, compile and run-time failures, throws and exits end with 1 and a report of what and where."""
    ended = run(code)
    assert (ended.exit_code, ended.error["type"], ended.error["line"]) == (1, kind, line)
    assert column is None or ended.error["column"] == column


@pytest.mark.parametrize(
    ("code", "exit_code"), [("System.halt(4)", 4), ("exit({:shutdown, 3})", 3), ("exit(:normal)", 0)]
)
def test_an_exit_code_of_its_own_is_kept(run, code, exit_code):
    """A program that ends with an exit code ends with that one."""
    assert run(code).exit_code == exit_code


def test_channels_are_kept_apart_and_stdin_is_empty(run):
    """Output, errors, displays and the value each have their way; reading from stdin finds its end."""
    ended = run('IO.puts("é"); IO.puts(:stderr, "err"); display("<b>", "text/html"); IO.gets("")')
    assert (ended.stdout, ended.stderr, ended.value) == ("é\n", "err\n", "eof")
    assert ended.reports[0] == {"kind": "display", "data": {"text/html": "<b>"}}


def test_pictures_and_text_of_other_types_are_shown(run):
    """Bytes and texts of any type reach the host as what they are."""
    ended = run('display(<<137, 80>>, "image/png"); display("<svg/>", "image/svg+xml"); 1')
    shown = [dict(each.data) for each in read_report(ended.report, 1 << 20).displays]
    assert shown == [{"image/png": "iVA="}, {"image/svg+xml": "<svg/>"}]


def test_a_value_past_its_limits_is_an_error(run):
    """A value longer than the policy lets out, or nested too deep, is the program's failure and says which."""
    assert "limit is 1000" in run('String.duplicate("x", 5000)', max_output_bytes=1000).error["message"]
    assert "deeper than 100" in run("Enum.reduce(1..200, [], fn _, inner -> [inner] end)").error["message"]
