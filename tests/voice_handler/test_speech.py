"""Values in words."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.values import Opaque, Table
from voice_handler.numbers import number, ordinal, whole, year
from voice_handler.speech import in_words, money, say

D = Decimal


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (-21, "minus twenty-one"),
        (100, "one hundred"),
        (1234, "one thousand two hundred thirty-four"),
        (1_000_001, "one million one"),
        (10**15, "one quadrillion"),
        (10**15 + 1, "about one quadrillion"),
        (123 * 10**40, "one point two three times ten to the power of forty-two"),
        (D("1.10"), "one point one"),
        (D("-0.05"), "minus zero point zero five"),
        (3.14159265, "about three point one four"),
        (1 / 3, "about zero point three three three three"),
        (2.0, "two"),
        (1e-9, "one times ten to the power of minus nine"),
        (float("nan"), "not a number"),
        (float("-inf"), "minus infinity"),
        (D("1E+1000000"), "one times ten to the power of one million"),
    ],
)
def test_numbers(value, words) -> None:
    """Numbers are exact in words where they can be, and what is rounded says ``about``."""
    assert number(value) == words


def test_ordinals_and_years() -> None:
    """Days and years as they are said."""
    assert [ordinal(n) for n in (1, 2, 3, 12, 20, 21, 31)] == (
        ["first", "second", "third", "twelfth", "twentieth", "twenty-first", "thirty-first"]
    )
    assert [year(n) for n in (2026, 2000, 2005, 1905, 1900)] == (
        ["twenty twenty-six", "two thousand", "two thousand five", "nineteen oh five", "nineteen hundred"]
    )


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "The calculation is done."),
        (True, "The answer is yes."),
        (42, "The answer is forty-two."),
        ("room 12", "The answer is room twelve."),
        ([], "The answer is empty."),
        ([1, 2], "The answer is one and two."),
        (list(range(12)), "The answer is zero, one, two, and nine more."),
        ({"net_price": 5, "items": [1]}, "The net price is five and the items is one."),
        (dt.date(2026, 11, 21), "The answer is November twenty-first, twenty twenty-six."),
        (
            dt.datetime(2026, 1, 3, 14, 5, tzinfo=dt.UTC),
            "The answer is January third, twenty twenty-six at two oh five PM.",
        ),
        (dt.time(0, 0), "The answer is twelve AM."),
        (dt.timedelta(hours=1, minutes=30), "The answer is one hour and thirty minutes."),
        (Table(["a"], [[1], [2]]), "The answer is a table of two rows."),
        (Opaque("Foo", "<Foo at 0x1>"), "The answer is a result that cannot be read aloud."),
        (
            {"total": D("1234.50"), "currency": "USD"},
            "The total is one thousand two hundred thirty-four dollars and fifty cents.",
        ),
        (
            {"subtotal": D("10.00"), "tax": D("0.80"), "total": D("10.80"), "currency": "EUR"},
            "The total is ten euros and eighty cents; subtotal ten euros, tax eighty cents.",
        ),
    ],
)
def test_sentences(value, sentence) -> None:
    """The value in one plain sentence."""
    assert say(value) == sentence


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (D("1.01"), "USD", "one dollar and one cent"),
        (D("-3.05"), "GBP", "minus three pounds and five pence"),
        (D("0.50"), "EUR", "fifty cents"),
        (D("0"), "EUR", "zero euros"),
        (D("1500"), "JPY", "one thousand five hundred yen"),
        (D("1.005"), "USD", "about one dollar and one cent"),
        (D("2"), "XTS", "two X T S"),
    ],
)
def test_money(amount, currency, words) -> None:
    """Signs, single units, currencies without a small unit, and rounding that is said."""
    assert money(amount, currency) == words


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.binary()
    | st.just(D("1E+999999"))
    | st.integers(0, 9).map(lambda n: 10**5000 + n),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.just({"currency": "USD"}),
    max_leaves=8,
)


@given(_values)
def test_any_value_is_said_without_a_digit(value) -> None:
    """Whatever the value: a sentence in words, on one line, with no digit of any script in it."""
    sentence = say(value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert not re.search(r"\d", sentence), sentence
    assert in_words(value)


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_whole_numbers_can_be_read_back(value) -> None:
    """The words mean the number."""
    assert _read(whole(value)) == value


def _read(words: str) -> int:
    small = {whole(n): n for n in range(100)}
    scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    negative = words.startswith("minus ")
    total = group = 0
    for word in words.removeprefix("minus ").split():
        if word == "hundred":
            group *= 100
        elif word in scales:
            total += group * scales[word]
            group = 0
        else:
            group += small[word]
    return -(total + group) if negative else total + group
