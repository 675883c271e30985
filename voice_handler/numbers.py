"""English numbers in words: what a speech engine is given, since it reads digits badly."""

import decimal
import math
from decimal import Decimal

__all__ = ["digits", "number", "ordinal", "whole", "year"]

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion")
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}
_ROUND_FROM = 10**15
"""From here on a whole number is rounded, and said to be."""
_MOST_PLACES = 4
_CONTEXT = decimal.Context(prec=28, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


def number(value: int | float | Decimal) -> str:
    """Any number in words; what is rounded begins with ``about``."""
    if isinstance(value, int):
        return _rounded(Decimal(value)) if abs(value) >= _ROUND_FROM else whole(value)
    exact = Decimal(repr(value)) if isinstance(value, float) and math.isfinite(value) else Decimal(value)
    if exact.is_nan():
        return "not a number"
    if exact.is_infinite():
        return "minus infinity" if exact < 0 else "infinity"
    if exact == 0:
        return "zero"
    if exact.copy_abs() >= _ROUND_FROM or exact.copy_abs() < Decimal("0.0001"):  # abs() would round
        return _rounded(exact)
    return _fixed(exact)


def whole(value: int) -> str:
    """A whole number below 10^27 in words."""
    if value < 0:
        return f"minus {whole(-value)}"
    if value < 1000:
        return _below_thousand(value)
    parts = []
    for scale in _SCALES:
        value, rest = divmod(value, 1000)
        if rest:
            parts.append(f"{_below_thousand(rest)} {scale}".rstrip())
        if not value:
            break
    return " ".join(reversed(parts))


def ordinal(value: int) -> str:
    """``twenty-first`` for 21."""
    head, dash, last = whole(value).rpartition("-" if value % 10 and value % 100 > 20 else " ")
    regular = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return head + dash + _ORDINALS.get(last, regular)


def year(value: int) -> str:
    """``twenty twenty-six`` for 2026, ``nineteen oh five`` for 1905, ``two thousand five`` for 2005."""
    century, rest = divmod(value, 100)
    if not 1000 <= value <= 9999 or (century % 10 == 0 and rest < 10):
        return whole(value)
    if not rest:
        return f"{whole(century)} hundred"
    return f"{whole(century)} {'oh ' if rest < 10 else ''}{whole(rest)}"


def digits(text: str) -> str:
    """Each digit by itself."""
    return " ".join(_SMALL[int(digit)] for digit in text)


def _below_thousand(value: int) -> str:
    hundreds, rest = divmod(value, 100)
    parts = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if rest or not hundreds:
        tens, ones = divmod(rest, 10)
        parts.append(_SMALL[rest] if rest < 20 else _TENS[tens] + (f"-{_SMALL[ones]}" if ones else ""))
    return " ".join(parts)


def _fixed(exact: Decimal) -> str:
    """With at most four places after the point; a small number keeps two figures that count."""
    places = max(_MOST_PLACES if abs(exact) < 1 else 2, 0)
    normal = exact.normalize(_CONTEXT)
    exponent = normal.as_tuple().exponent
    if isinstance(exponent, int) and -exponent <= _MOST_PLACES and normal == exact:
        places = max(-exponent, 0)
    shown = exact.quantize(Decimal(1).scaleb(-places), rounding=decimal.ROUND_HALF_EVEN, context=_CONTEXT)
    said = _point(shown)
    return said if shown == exact else f"about {said}"


def _point(value: Decimal) -> str:
    sign = "minus " if value < 0 else ""
    before, _, after = f"{abs(value):f}".partition(".")
    after = after.rstrip("0")
    return sign + whole(int(before)) + (f" point {digits(after)}" if after else "")


def _rounded(exact: Decimal) -> str:
    """Three figures and a scale, or a power of ten."""
    shown = exact.normalize(decimal.Context(prec=3, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN))
    about = "" if shown == exact else "about "
    power = shown.adjusted()
    step = power // 3
    if 0 < step < len(_SCALES):
        return f"{about}{_point(shown.scaleb(-3 * step))} {_SCALES[step]}"
    mantissa = _point(shown.scaleb(-power, context=_CONTEXT))
    exponent = whole(power) if abs(power) < 10**27 else "a very large number"
    return f"{about}{mantissa} times ten to the power of {exponent}"
