"""Values in plain English words. Values are spoken, never their text, so that money is told from a year."""

import datetime
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from host.values import Table
from voice_handler.numbers import digits, number, ordinal, whole, year

__all__ = ["in_words", "money", "say"]

_MOST_ITEMS = 3
_MOST_LETTERS = 300
_DONE = "The calculation is done."
_UNSPEAKABLE = "a result that cannot be read aloud"
_NUMBER_IN_TEXT = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_CURRENCIES: Mapping[str, tuple[str, str, str, str]] = {
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "INR": ("rupee", "rupees", "paisa", "paise"),
    "JPY": ("yen", "yen", "", ""),
    "USD": ("dollar", "dollars", "cent", "cents"),
}
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def say(value: Any) -> str:
    """A sentence that tells the value.

    A map with a ``currency`` (an ISO 4217 code) is a statement of money: its Decimals are amounts in that currency,
    and its ``total`` comes first.
    """
    if value is None:
        return _DONE
    if isinstance(value, Mapping):
        return _say_map(value)
    return f"The answer is {in_words(value)}."


def in_words(value: Any) -> str:
    """The value as part of a sentence."""
    for kind, speaker in _SPEAKERS:
        if isinstance(value, kind):
            return speaker(value)
    return _UNSPEAKABLE


def money(amount: Decimal | int, currency: str) -> str:
    """An amount of money: ``one thousand two hundred thirty-four dollars and fifty cents``."""
    exact = Decimal(amount)
    if not exact.is_finite() or exact.copy_abs() >= 10**15:
        return f"{number(exact)} {_currency_name(currency)}"
    one, many, small_one, small_many = _CURRENCIES.get(currency, (_currency_name(currency),) * 2 + ("cent", "cents"))
    shown = exact.quantize(Decimal("0.01") if small_one else Decimal(1), rounding=ROUND_HALF_UP)
    about = "" if shown == exact else "about "
    large, small = divmod(int(abs(shown) * 100), 100)
    parts = [f"{whole(large)} {one if large == 1 else many}"] if large or not small else []
    if small:
        parts.append(f"{whole(small)} {small_one if small == 1 else small_many}")
    return about + ("minus " if shown < 0 else "") + " and ".join(parts)


# --- kinds ------------------------------------------------------------------------------------------------------------


def _say_map(value: Mapping[Any, Any]) -> str:
    if not value:
        return "The answer is empty."
    currency = value.get("currency")
    if isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency) and len(value) > 1:
        spoken = {
            _label(key): money(each, currency) if isinstance(each, Decimal) else in_words(each)
            for key, each in value.items()
            if key != "currency"
        }
    else:
        spoken = {_label(key): in_words(each) for key, each in value.items()}
    if "total" in spoken:
        total = f"The total is {spoken.pop('total')}"
        rest = ", ".join(f"{key} {each}" for key, each in list(spoken.items())[:_MOST_ITEMS])
        return f"{total}; {rest}{_more(len(spoken))}." if rest else f"{total}."
    told = [f"the {key} is {each}" for key, each in list(spoken.items())[:_MOST_ITEMS]]
    sentence = _joined(told) if len(spoken) <= _MOST_ITEMS else ", ".join(told) + _more(len(spoken))
    return sentence[:1].upper() + sentence[1:] + "."


def _label(key: Any) -> str:
    return in_words(key.replace("_", " ") if isinstance(key, str) else key)


def _more(count: int) -> str:
    return f", and {whole(count - _MOST_ITEMS)} more" if count > _MOST_ITEMS else ""


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _several(value: Any) -> str:
    items = list(value)
    if not items:
        return "empty"
    told = [in_words(item) for item in items[:_MOST_ITEMS]]
    return _joined(told) if len(items) <= _MOST_ITEMS else ", ".join(told) + _more(len(items))


def _map(value: Mapping[Any, Any]) -> str:
    return _several([f"{_label(key)} {in_words(each)}" for key, each in value.items()]) if value else "empty"


def _text(value: str) -> str:
    plain = " ".join("".join(char if char.isprintable() else " " for char in value).split())
    if not plain:
        return "an empty text"
    if len(plain) > _MOST_LETTERS:
        plain = plain[:_MOST_LETTERS].rsplit(" ", 1)[0] + ", and so on"
    spoken = _NUMBER_IN_TEXT.sub(lambda match: f" {_number_in_text(match[0])} ", plain)
    spoken = "".join(f" {digits(str(int(char)))} " if char.isdecimal() else char for char in spoken)
    return re.sub(r" (?=[,.;:!?%])", "", " ".join(spoken.split()))


def _number_in_text(text: str) -> str:
    before, _, after = text.partition(".")
    said = whole(int(before)) if len(before) <= 6 and (before == "0" or before[0] != "0") else digits(before)
    return f"{said} point {digits(after)}" if after else said


def _date(value: datetime.date) -> str:
    return f"{_MONTHS[value.month - 1]} {ordinal(value.day)}, {year(value.year)}"


def _time(value: datetime.time) -> str:
    hour = whole(value.hour % 12 or 12)
    minute = f" {'oh ' if value.minute < 10 else ''}{whole(value.minute)}" if value.minute else ""
    return f"{hour}{minute} {'AM' if value.hour < 12 else 'PM'}"


def _datetime(value: datetime.datetime) -> str:
    return f"{_date(value)} at {_time(value.time())}"


def _duration(value: datetime.timedelta) -> str:
    sign = "minus " if value < datetime.timedelta(0) else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    exact = Decimal(seconds) + Decimal(value.microseconds) / 1_000_000
    counts = ((Decimal(value.days), "day"), (Decimal(hours), "hour"), (Decimal(minutes), "minute"), (exact, "second"))
    parts = [f"{number(count)} {unit}{'' if count == 1 else 's'}" for count, unit in counts if count]
    return sign + (_joined(parts) if parts else "zero seconds")


def _currency_name(code: str) -> str:
    return _CURRENCIES[code][1] if code in _CURRENCIES else " ".join(code)


_SPEAKERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (type(None), lambda value: "nothing"),
    (bool, lambda value: "yes" if value else "no"),
    ((int, float, Decimal), number),
    (str, _text),
    (datetime.datetime, _datetime),
    (datetime.date, _date),
    (datetime.time, _time),
    (datetime.timedelta, _duration),
    (Mapping, _map),
    ((list, tuple), _several),
    ((set, frozenset), lambda value: _several(sorted(value, key=repr))),
    (Table, lambda value: f"a table of {whole(len(value))} row{'' if len(value) == 1 else 's'}"),
)
"""In this order: a bool is an int too, and a datetime a date."""
