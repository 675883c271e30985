"""Typed values: each comes back from its wire form as it went in, and what is malformed raises one error only."""

import contextlib
import datetime
import enum
import json
import math
from collections import Counter, OrderedDict, namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.decoding import MAX_EXPONENT
from host.values import MAX_DEPTH, Image, Opaque, Table, ValueFormatError, decode, dumps, encode, loads, type_name

_texts = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(["$type", "$", "$$", "", "\0"])
_offsets = st.none() | st.integers(-1439, 1439).map(lambda count: datetime.timezone(datetime.timedelta(minutes=count)))
_hashable = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.sampled_from([2**53, 2**53 - 1, -(2**53), 2**14000, -(2**13001)]),
    st.floats(allow_nan=False),
    _texts,
    st.decimals(allow_nan=False).filter(lambda value: value.is_infinite() or abs(value.adjusted()) <= MAX_EXPONENT),
    st.fractions(),
    st.dates(),
    st.times(timezones=_offsets),
    st.datetimes(timezones=_offsets),
    st.timedeltas(),
    st.binary(max_size=20),
)
_keys = st.recursive(
    _hashable, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3), max_leaves=4
)
_leaves = st.one_of(
    _hashable,
    st.complex_numbers(allow_nan=False),
    st.builds(Image, st.sampled_from(["image/png", "image/svg+xml"]), st.binary(max_size=20)),
    st.builds(Opaque, st.text(max_size=5), st.text(max_size=5)),
)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(_keys, inner, max_size=4),
        st.frozensets(_keys, max_size=4).map(set),
        st.lists(_texts, min_size=1, max_size=3).flatmap(
            lambda columns: st.lists(st.tuples(*[inner] * len(columns)), max_size=3).map(
                lambda rows: Table(columns, rows)
            )
        ),
    ),
    max_leaves=12,
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["$type", "value", "$x", "columns", "rows", "mime"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_TAGS = [
    "int", "float", "str", "map", "decimal", "fraction", "complex", "date", "time", "datetime", "duration", "bytes",
    "set", "table", "image", "object",
]  # fmt: skip
_tags = st.fixed_dictionaries(
    {"$type": st.sampled_from(_TAGS)},
    optional=dict.fromkeys(("value", "columns", "rows", "mime", "class", "text"), _json),
)


@given(_values)
def test_every_value_comes_back(value):
    """What encode writes, decode reads, through JSON text."""
    back = loads(dumps(value))
    assert back == value
    assert type(back) is type(value)
    assert type_name(back) == type_name(value)


@given(_values)
def test_encoding_is_stable(value):
    """What was decoded has the same wire form again."""
    assert dumps(loads(dumps(value))) == dumps(value)


@given(
    st.recursive(
        _json | _tags,
        lambda inner: st.lists(inner, max_size=3) | st.builds(lambda x: {"$type": "set", "value": [x]}, inner),
    )
)
def test_a_malformed_tree_raises_one_error(wire):
    """A tree from anyone is a value or a ValueFormatError."""
    try:
        value = decode(wire)
    except ValueFormatError:
        return
    dumps(value)


@given(st.binary(max_size=60) | _json.map(lambda tree: json.dumps(tree).encode()))
def test_malformed_bytes_raise_one_error(data):
    """Bytes from anyone are a value or a ValueFormatError."""
    with contextlib.suppress(ValueFormatError):
        loads(data)


@pytest.mark.parametrize("kind", _TAGS)
@pytest.mark.parametrize(
    "text",
    ["", "x", "1_000", " 1", "٣", "1/0", "0x", "-", "nan", "NaN", "9" * 5001, "1e1000000", "AAA", "P1D"],
)
def test_malformed_tags_are_refused(kind, text):
    """Text that a tag does not define is refused, though Python's own parsers would take some of it."""
    fine = {
        ("float", "nan"),
        ("decimal", "nan"),
        ("decimal", "NaN"),
        ("bytes", ""),
        ("str", ""),
        ("decimal", "9" * 5001),
    }
    wire = {"$type": kind, "value": text}
    if (kind, text) in fine:
        decode(wire)
    else:
        with pytest.raises(ValueFormatError):
            decode(wire)


@pytest.mark.parametrize(
    "data",
    [
        b"NaN", b"Infinity", b"1e999", b"[" * 100_000, b'{"a":' * 5000, b"1" * 5000, b"\xff", b"\xff\xfe1\x00", b"",
        b'{"$x": 1}',
        b'{"$type": "nope"}', b'{"$type": ["decimal"]}', b'{"$type": "map", "value": [[{}, 1]]}',
        b'{"$type": "table", "columns": ["a"], "rows": [[1, 2]]}', b'{"$type": "table", "columns": [1], "rows": []}',
        b'{"$type": "set", "value": [{"$type": "map", "value": []}]}',
        b'{"$type": "duration", "value": "PT999999999999999S"}',
        b'{"$type": "datetime", "value": "2026-02-30T00:00:00"}', b'{"$type": "complex", "value": [1]}',
    ],
)  # fmt: skip
def test_malformed_json_is_refused(data):
    """What is no JSON, too deep, too large or no value is refused with a reason."""
    with pytest.raises(ValueFormatError) as caught:
        loads(data)
    assert str(caught.value)


def test_size_is_checked_before_parsing():
    """Bytes over the limit are refused unread."""
    with pytest.raises(ValueFormatError, match="the limit is 3"):
        loads(b"[[[[", max_bytes=3)


def _nested(depth, value, wrap):
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "value", [2**70, math.inf, "\ud800", Decimal("1.10"), datetime.date(2026, 11, 21), b"x", Fraction(1, 3)]
)
@pytest.mark.parametrize(
    "wrap", [lambda x: [x], lambda x: {"a": x}, lambda x: {1: x}], ids=["list", "map", "keyed map"]
)
def test_the_deepest_value_comes_back(value, wrap):
    """A value of MAX_DEPTH levels comes back whatever is at its bottom; one level more is refused both ways."""
    deepest = _nested(MAX_DEPTH, value, wrap)
    assert loads(dumps(deepest)) == deepest
    with pytest.raises(ValueFormatError, match="deeper"):
        dumps(wrap(deepest))
    with pytest.raises(ValueFormatError, match="deeper"):
        decode(_nested(1, encode(deepest), lambda x: [x]))


def test_a_structure_that_contains_itself_is_refused():
    """A cycle is reported, and no stack overflows."""
    cycle = []
    cycle.append(cycle)
    table = Table(["a"], [[1]])
    table.rows = ((table,),)
    for value in (cycle, {"a": cycle}, table):
        with pytest.raises(ValueFormatError, match="contains itself"):
            dumps(value)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "lies"


class Number(int):
    def __int__(self):
        return 7


class Mapping(dict):
    def items(self):
        raise RuntimeError("no")


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (Text("truth"), "truth"),
        (Number(5), 5),
        (Mapping(a=1), {"a": 1}),
        (Point(1, 2), [1, 2]),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (range(3), [0, 1, 2]),
        ({"a": 1}.values(), [1]),
        (bytearray(b"x"), b"x"),
        (memoryview(b"abcd")[::2], b"ac"),
    ],
)
def test_subclasses_count_as_what_they_derive_from(value, expected):
    """A subclass comes back as its base, whatever it overrides."""
    assert loads(dumps(value)) == expected


class Broken:
    def __repr__(self):
        raise RuntimeError("no")


class BadZone(datetime.tzinfo):
    def utcoffset(self, moment):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Broken(), Opaque("Broken", "<Broken: repr failed with RuntimeError>")),
        (Fraction(2**20000 + 1, 3), None),
        (object, None),
    ],
)
def test_other_objects_are_named(value, expected):
    """What has no form of its own is named by class and repr, whatever its class does."""
    back = loads(dumps(value))
    assert isinstance(back, Opaque)
    assert expected is None or back == expected


def test_a_class_that_hides_is_named():
    """A class whose module and class cannot be read is named all the same."""

    class Sly:
        __module__ = 5

        @property
        def __class__(self):
            raise RuntimeError("no")

        def __repr__(self):
            return "sly\ud800"

    assert loads(dumps([Sly()])) == [Opaque("Sly", "sly\ufffd")]


def test_a_time_zone_that_raises_is_named():
    """A datetime whose zone cannot be asked is an object, not an error."""
    assert type_name(loads(dumps([datetime.datetime(2026, 1, 1, tzinfo=BadZone())]))[0]) == "object"


FRAME = pd.DataFrame({"a": [1, 2, 2], "b": ["x", None, "y"], "c": [1.5, 2.5, 2.0]})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (FRAME, Table(["a", "b", "c"], [[1, "x", 1.5], [2, None, 2.5], [2, "y", 2.0]])),
        (FRAME[FRAME.a > 1][["a"]], Table(["a"], [[2], [2]])),
        (FRAME.groupby("a")["c"].sum(), Table(["a", "c"], [[1, 1.5], [2, 4.5]])),
        (FRAME.set_index("c")[["a"]], Table(["c", "a"], [[1.5, 1], [2.5, 2], [2.0, 2]])),
        (FRAME["a"], [1, 2, 2]),
        (FRAME["b"], ["x", None, "y"]),
        (pd.Series([1, 2], index=["x", "y"]), Table(["index", "value"], [["x", 1], ["y", 2]])),
        (pd.Timestamp("2026-11-21T14:05:00.123456789"), datetime.datetime.fromisoformat("2026-11-21T14:05:00.123456")),
        (pd.Timedelta("90min"), datetime.timedelta(minutes=90)),
        (pd.NaT, None),
        (pd.NA, None),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(["2026-01-01", "NaT"], dtype="M8[ns]"), [datetime.datetime.fromisoformat("2026-01-01"), None]),
        (np.float64(1.5), 1.5),
        (np.int8(3), 3),
        (np.bool_(True), True),
        (np.longdouble(1.5), 1.5),
        (np.datetime64("2026-01-01", "ns"), datetime.datetime.fromisoformat("2026-01-01")),
        (np.timedelta64(5, "m"), datetime.timedelta(minutes=5)),
    ],
)
def test_numpy_and_pandas(value, expected):
    """NumPy and pandas objects become plain values and tables; an index that says something is kept."""
    back = loads(dumps(value))
    assert back == expected
    assert type(back) is type(expected)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"), (True, "bool"), (1, "int"), (1.0, "float"), ("", "str"), ((), "list"), ({}, "map"),
        (Decimal(1), "decimal"),
        (Fraction(1, 2), "fraction"), (1j, "complex"), (datetime.date.max, "date"), (datetime.time.max, "time"),
        (pd.Timestamp(0), "datetime"), (datetime.timedelta(1), "duration"), (b"", "bytes"), (set(), "set"),
        (Table([], []), "table"), (Image("image/png", b""), "image"), (object(), "object"),
        (np.int8(1), "int"), (pd.NaT, "null"),
        (Colour.RED, "str"),
    ],
)  # fmt: skip
def test_type_names(value, name):
    """Every type has its name."""
    assert type_name(value) == name


def test_a_table_is_rectangular():
    """A row of another length than the columns is refused."""
    with pytest.raises(ValueFormatError, match="row 1 of the table has 1 cells for 2 columns"):
        Table(["a", "b"], [[1, 2], [3]])
