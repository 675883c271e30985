"""Plain values for NumPy and pandas objects, told by name and by what they can do, so that neither library is imported.

This file is part of the Python guest: standard library only, Python 3.9 to 3.15.
"""

import datetime

__all__ = ["plain"]


def plain(value, table):
    """A plain value for a NumPy or pandas object; the object itself where there is none.

    A DataFrame becomes a table, with its index as first columns where that says something (it has a name, several
    levels or other labels than integers). A Series becomes a list, or a table where its index says something. NaN
    outside a float column, NaT and NA are missing cells: None.

    Args:
        value: an instance of a class of numpy or pandas.
        table: the class to make tables of.
    """
    name = type(value).__name__
    if name == "DataFrame":
        return _from_frame(value, table)
    if name == "Series":
        return _from_series(value, table)
    if name in ("NaTType", "NAType"):
        return None
    if name == "Timestamp":
        return datetime.datetime.fromisoformat(value.isoformat(timespec="microseconds"))
    if name == "Timedelta":
        return datetime.timedelta(microseconds=value.value // 1000) if value.unit == "ns" else value.to_pytimedelta()
    if hasattr(value, "dtype") and getattr(value.dtype, "kind", "") in ("M", "m") and hasattr(value, "astype"):
        return _from_times(value)
    if hasattr(value, "tolist"):
        return _other_than(value, value.tolist())
    return value


def _other_than(value, converted):
    """``longdouble`` and the like give themselves back; a float or complex has to do for them."""
    if type(converted) is not type(value):
        return converted
    return complex(value) if value.dtype.kind == "c" else float(value)


def _from_times(value):
    """datetime64 and timedelta64 in any unit, as scalars or arrays; indexes of pandas have time zones of their own."""
    if hasattr(value, "to_pydatetime") or hasattr(value, "to_pytimedelta"):
        return list(value)
    return value.astype(value.dtype.kind + "8[us]").tolist()


def _from_frame(frame, table):
    columns, cells = _index_columns(frame.index)
    columns += [str(column) for column in frame.columns]
    cells += [_cells(frame.iloc[:, position]) for position in range(frame.shape[1])]
    return table(columns, zip(*cells))


def _from_series(series, table):
    columns, cells = _index_columns(series.index)
    values = _cells(series)
    if not columns:
        return values
    return table([*columns, "value" if series.name is None else str(series.name)], zip(*cells, values))


def _index_columns(index):
    """Names and cells of an index that says something; nothing for one that only counts or lost count in a filter."""
    if index.nlevels == 1 and index.name is None and index.dtype.kind in "iu":
        return [], []
    names = [f"index_{level}" if name is None else str(name) for level, name in enumerate(index.names)]
    if index.nlevels == 1 and index.name is None:
        names = ["index"]
    return names, [_cells(index.get_level_values(level)) for level in range(index.nlevels)]


def _cells(column):
    cells = column.tolist()
    if getattr(column.dtype, "kind", "O") == "f":
        return cells
    return [None if _is_missing(cell) else cell for cell in cells]


def _is_missing(cell):
    return type(cell).__name__ in ("NaTType", "NAType") or (type(cell) is float and cell != cell)
