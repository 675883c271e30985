"""Values that go in and must come back as they were, and which of them each language has a type of its own for."""

# ruff: noqa: DTZ001 - a naive datetime is one of the values

import datetime as dt
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from host.testing.program import Program
from host.values import Image, Opaque, Table

__all__ = ["PROGRAMS", "VALUES"]

_PLUS_TWO = dt.timezone(dt.timedelta(hours=2))

_JSON: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "int": 42,
    "negative-int": -7,
    "safe-integer": 2**53 - 1,
    "half": 0.5,
    "tiny": 5e-324,
    "text": "plain",
    "empty-text": "",
    "quotes": 'it\'s "quoted" `so` ${x} $(id) %s {0} \\',
    "lines": "one\ntwo\r\nthree\ttabs",
    "nul": "a\0b",
    "controls": "\x01\x1b[31mred\x7f\u2028\u2029\ufeff",
    "beyond-bmp": "\U0001f600\U00020000",
    "combining": "e\u0301\u200d",
    "right-to-left": "\u202eabc\u05d0",
    "list": [1, "two", None, [True]],
    "empty-list": [],
    "map": {"b": 1, "a": {"c": [2]}},
    "empty-map": {},
    "dollar-keys": {"$type": "decimal", "$$": 1, "$": 2, "value": "1.10"},
    "odd-keys": {"": 1, " ": 2, "a b": 3, "'": 4, '"': 5, "\n": 6, "\U0001f600": 7},
    "deep": [[[[[[[[[[["deep"]]]]]]]]]]],
}
"""What JSON can say."""

_TYPED: dict[str, Any] = {
    "big-int": 2**53,
    "bigger-int": -(10**40),
    "huge-int": 7**6000,
    "nan": math.nan,
    "inf": math.inf,
    "minus-inf": -math.inf,
    "bytes": b"\x00\xffbytes",
    "empty-bytes": b"",
    "lone-surrogate": "a\ud800b",
    "map-with-int-keys": {1: "one", 2: "two"},
    "set": {1, 2, 3},
    "datetime": dt.datetime(2026, 11, 21, 14, 5, tzinfo=dt.UTC),
}
"""What JSON cannot say and most languages can."""

_RICH: dict[str, Any] = {
    "decimal": Decimal("1.10"),
    "decimal-exponent": Decimal("1E+3"),
    "decimal-nan": Decimal("NaN"),
    "fraction": Fraction(1, 3),
    "complex": 1 + 2j,
    "date": dt.date(2026, 11, 21),
    "time": dt.time(14, 5, 0, 250),
    "naive-datetime": dt.datetime(2026, 11, 21, 14, 5, 0, 1),
    "datetime-with-offset": dt.datetime(2026, 11, 21, 14, 5, tzinfo=_PLUS_TWO),
    "duration": dt.timedelta(hours=1, milliseconds=250),
    "negative-duration": dt.timedelta(microseconds=-1),
    "table": Table(["name", "price"], [["tea", Decimal("2.50")], ["bun", None]]),
    "image": Image("image/png", b"\x89PNG"),
    "object": Opaque("Thing", "<Thing>"),
}
"""What Python has types for, and guests of other languages bring some."""

_PYTHON: dict[str, Any] = {
    "whole-float": 1.0,
    "minus-zero": -0.0,
    "tuple": (1, (2, 3)),
    "tuple-keys": {(1, 2): "pair", None: 0},
    "set-of-tuples": {(1, "a"), (2, "b")},
}
"""What only Python tells apart."""

VALUES: dict[str, dict[str, Any]] = {
    "python": {**_JSON, **_TYPED, **_RICH, **_PYTHON},
    "javascript": {**_JSON, **_TYPED, **_RICH},
    "typescript": {**_JSON, **_TYPED, **_RICH},
}
"""By language and name."""

_ECHO = {
    "python": 'result = inputs["value"]',
    "javascript": "result = inputs.value",
    "typescript": "result = inputs.value",
}


def _echoes() -> Iterator[Program]:
    for language, table in VALUES.items():
        for name, value in table.items():
            yield Program(
                name=f"value-{name}",
                language=language,
                code=_ECHO[language],
                inputs={"value": value},
                value=value,
                proves="A value comes back from the guest as it went in, type and all.",
            )


PROGRAMS = tuple(_echoes())
