"""Numbers along the axes of a chart as readers have them: numbers as numbers, dates in ISO 8601, categories by name."""

import datetime
import re
import sys

__all__ = ["Thinner", "about", "along", "as_long_as", "numbers", "plain"]

_MOST_POINTS = 1000  # of one series
_MOST_IN_ALL = 10_000
_UNIT = re.compile(r".*\S\s*[(\[]([^()\[\]]{1,40})[)\]]\s*")
_LONGEST = 200


def about(axis):
    """An axis: ``label``, ``scale`` (linear, log, ..., date, category), ``unit`` where the label ends with one in
    brackets.
    """
    label = axis.get_label_text()[:_LONGEST]
    found = _UNIT.fullmatch(label)
    told = {"label": label, "scale": _kind(axis)}
    return {**told, "unit": found[1]} if found else told


class Thinner:
    """Takes every n-th point of long series, so that their shape stays."""

    def __init__(self):
        self._left = _MOST_IN_ALL

    def thin(self, named=(), **sides):
        """The sides of a series, each a pair of axis and values, as plain lists of the same length.

        Args:
            named: the sides whose values stand for categories: where the ticks have names, these are the names.
            sides: by name.

        Returns:
            The lists by name, with ``total_points`` where points were left out.
        """
        count = min(len(values) for _, values in sides.values())
        most = max(1, min(_MOST_POINTS, self._left))
        step = -(-count // most) if count else 1
        kept = {name: _every(values, step, count) for name, (_, values) in sides.items()}
        self._left -= -(-count // step)
        told = {name: along(axis, kept[name], named=name in named) for name, (axis, _) in sides.items()}
        return {**told, "total_points": count} if step > 1 else told


def along(axis, values, *, named=False):
    """Values along an axis as a reader has them; ``named`` where they stand for names that the ticks may have."""
    kind = _kind(axis)
    if kind == "category":
        return _named(values, {place: name for name, place in axis.units._mapping.items()})
    if named and kind != "date":
        return _named(values, _ticks(axis))
    told = numbers(values)
    if kind == "date":
        return _dates(axis, told)
    return told


def numbers(values):
    """A list of plain values out of whatever holds them."""
    array = getattr(values, "values", values)  # of a Series
    if getattr(getattr(array, "dtype", None), "kind", "") == "M":
        array = array.astype("datetime64[us]")
    listed = array.tolist() if hasattr(array, "tolist") else list(array)
    return [plain(each) for each in listed]


def plain(value):
    """One value as JSON has it: a number, an ISO date or a text; null for NaN and infinity."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if value - value == 0 else None
    if isinstance(value, str):
        return value[:_LONGEST]
    if hasattr(value, "to_timestamp"):  # a Period of pandas
        value = value.to_timestamp()
    if isinstance(value, datetime.datetime):
        return _iso(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):
        return plain(value.item())
    try:
        return plain(float(value))
    except (TypeError, ValueError):
        return str(value)[:_LONGEST]


def as_long_as(model, values):
    """``values``, or as many of one value as ``model`` has."""
    return values if hasattr(values, "__len__") else [values] * len(model)


def _every(values, step, count):
    if hasattr(values, "iloc"):
        values = values.values if hasattr(values, "values") else values
    part = values if hasattr(values, "__getitem__") else list(values)
    return part[:count:step]


def _kind(axis):
    converter = axis.get_converter() if hasattr(axis, "get_converter") else axis.converter
    name = type(converter).__name__
    if name == "StrCategoryConverter":
        return "category"
    return "date" if "Date" in name or "Period" in name else axis.get_scale()


def _dates(axis, told):
    """Where matplotlib's own numbers of days are left, the dates that they stand for."""
    if not any(isinstance(each, (int, float)) for each in told):
        return told
    freq = getattr(axis, "freq", None)
    if freq is not None and "pandas" in sys.modules:  # of a chart that pandas drew
        period = sys.modules["pandas"].Period
        return [plain(period(ordinal=int(each), freq=freq)) if type(each) in (int, float) else each for each in told]
    from matplotlib.dates import num2date

    return [_iso(num2date(each).replace(tzinfo=None)) if isinstance(each, (int, float)) else each for each in told]


def _iso(moment):
    """A day without a time of day is a date."""
    text = moment.isoformat()
    return text[:10] if text[10:] == "T00:00:00" else text


def _ticks(axis):
    """Names that were put to places along an axis."""
    formatter, locator = axis.get_major_formatter(), axis.get_major_locator()
    if type(formatter).__name__ not in ("FixedFormatter", "FuncFormatter") or type(locator).__name__ != "FixedLocator":
        return {}
    names = zip(locator.locs, formatter.format_ticks(list(locator.locs)))
    return {round(float(place), 6): str(name) for place, name in names if str(name)}


def _named(values, names):
    places = numbers(values)
    return [names.get(round(place, 6), place) if isinstance(place, (int, float)) else place for place in places]
