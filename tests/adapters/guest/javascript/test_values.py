"""Typed values through JavaScript and TypeScript: what comes back is what went in, and JavaScript's own get theirs."""

import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.guest.javascript.host import JavaScriptGuest, TypeScriptGuest
from host.values import Image, Opaque, Table, type_name


@pytest.fixture(scope="module")
def run(bare_run):
    return bare_run(JavaScriptGuest())


@pytest.mark.parametrize("guest", [JavaScriptGuest(), TypeScriptGuest()], ids=lambda guest: guest.language)
def test_values_come_back_equal(bare_run, typed_values, fingerprint, guest):
    """A value given as input and returned as it is comes back equal, whatever its type and depth."""
    run = bare_run(guest)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(typed_values, min_size=20, max_size=80))
    def law(values):
        returned = run("inputs.values", {"values": values}).value
        for given_value, value in zip(values, returned, strict=True):
            assert fingerprint(value) == fingerprint(given_value)

    law()


@pytest.mark.parametrize(
    ("value", "check"),
    [
        (2**53, "typeof inputs.v === 'bigint' && inputs.v + 1n === 9007199254740993n"),
        (7, "typeof inputs.v === 'number'"),
        (float("nan"), "Number.isNaN(inputs.v)"),
        (Decimal("1.10"), "inputs.v instanceof Decimal && String(inputs.v) === '1.10' && inputs.v * 2 === 2.2"),
        (Fraction(1, 4), "inputs.v.denominator === 4n && inputs.v + 0 === 0.25"),
        (1 + 2j, "inputs.v.re === 1 && inputs.v.im === 2"),
        (datetime.date(2026, 11, 21), "inputs.v.year === 2026 && new Date(inputs.v).getUTCDate() === 21"),
        (datetime.time(14, 5), "inputs.v.hour === 14 && inputs.v.offset === null"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 6), "inputs.v instanceof Date && inputs.v.getTime() === 1767323045000"),  # noqa: DTZ001
        (datetime.timedelta(seconds=1.5), "inputs.v.seconds === 1.5 && +inputs.v === 1500"),
        (b"\x00\xff", "inputs.v instanceof Uint8Array && inputs.v[1] === 255"),
        ({1, 2}, "inputs.v instanceof Set && inputs.v.has(2)"),
        ({1: "a"}, "inputs.v instanceof Map && inputs.v.get(1) === 'a'"),
        ({"__proto__": 1, "$x": 2}, "Object.hasOwn(inputs.v, '__proto__') && inputs.v.$x === 2"),
        (Table(["a"], [[1]]), "inputs.v.columns[0] === 'a' && inputs.v.rows[0][0] === 1 && [...inputs.v][0].a === 1"),
        (Image("image/png", b"x"), "inputs.v.mime === 'image/png' && inputs.v.data.length === 1"),
        (Opaque("Foo", "<Foo>"), "inputs.v.className === 'Foo'"),
    ],
    ids=lambda part: type_name(part) if not isinstance(part, str) else "",
)
def test_each_type_has_its_javascript_form(run, value, check):
    """Every wire type becomes the JavaScript type that the table in values.mjs names."""
    assert run(check, {"v": value}).value is True


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("undefined", None),
        ("[1, , 3]", [1, None, 3]),
        ("12345678901234567890n", 12345678901234567890),
        ("-5n", -5),
        ("1e21", 1e21),
        ("2 ** 60", float(2**60)),
        ("new Date(0)", datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)),
        ("new Date(NaN)", Opaque("Date", "Invalid Date")),
        ("new Map([['b', 1], ['a', 2]])", {"b": 1, "a": 2}),
        ("new Map([[1, 2]])", {1: 2}),
        ("new Map([[{}, 2]])", [[{}, 2]]),
        ("new Set([{}])", [{}]),
        ("new Uint8Array([1, 2])", b"\x01\x02"),
        ("new Float64Array([1.5])", [1.5]),
        ("new (class Point { x = 1; #y = 2 })()", {"x": 1}),
        ("({toJSON() { return 5 }})", 5),
        ("(() => 1)", Opaque("function", "() => 1")),
        ("new TypeError('no')", Opaque("TypeError", "TypeError: no")),
        ("Temporal.PlainDate.from('2026-11-21')", datetime.date(2026, 11, 21)),
        ("Temporal.Duration.from({minutes: 1, milliseconds: 250})", datetime.timedelta(seconds=60.25)),
        ("Temporal.Instant.from('2026-01-01T00:00:00Z')", datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)),
        ("new Decimal('1.10').plus('2.205').round(2)", Decimal("3.30")),
        ("new Decimal('0.1').times(3).minus(new Decimal('0.3'))", Decimal("0.0")),
        ("new Decimal('-2.5').round()", Decimal("-2")),
        ("new Table(['a', 'b'], [[1, new Decimal('2.0')]])", Table(["a", "b"], [[1, Decimal("2.0")]])),
        ("new Duration(1.5)", datetime.timedelta(seconds=1.5)),
        ("'\\ud800'", "\ud800"),
    ],
)
def test_javascript_values_get_their_wire_type(run, code, value):
    """What a program makes itself goes out as the type that fits it."""
    assert run(code).value == value


def test_a_moved_datetime_is_told_anew(run):
    """A DateTime that a setter has moved goes out as its new instant; without an offset it stays without one."""
    naive = datetime.datetime(2026, 1, 31, 12)  # noqa: DTZ001 - the case in point
    aware = naive.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    code = "for (const d of inputs.all) d.setUTCDate(1); inputs.all"
    assert run(code, {"all": [naive, aware]}).value == [naive.replace(day=1), aware.replace(day=1)]


def test_a_value_past_its_limits_is_an_error(run):
    """A value that contains itself, or is longer than the policy lets out, is the program's failure and says which."""
    assert "contains itself" in run("const a = []; a.push(a); a").error["message"]
    ended = run("'x'.repeat(5000)", max_output_bytes=1000)
    assert (ended.exit_code, "1000 bytes" in ended.error["message"]) == (1, True)
