"""The values of ``host.values`` that Python has no class of its own for.

This file is part of the Python guest: standard library only, Python 3.9 to 3.15.
"""

__all__ = ["Image", "Opaque", "Table", "ValueFormatError"]


class ValueFormatError(ValueError):
    """The value has no wire form, or the wire form is not a value; the message says where."""


class Table:
    """Rows under named columns.

    Attributes:
        columns: the column names, a tuple of str.
        rows: a tuple of tuples, each as long as ``columns``.
    """

    __slots__ = ("columns", "rows")

    def __init__(self, columns, rows):
        self.columns = tuple(columns)
        self.rows = tuple(tuple(row) for row in rows)
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueFormatError(
                    f"row {number} of the table has {len(row)} cells for {len(self.columns)} columns"
                )

    def __eq__(self, other):
        if not isinstance(other, Table):
            return NotImplemented
        return self.columns == other.columns and self.rows == other.rows

    def __hash__(self):
        return hash((self.columns, len(self.rows)))

    def __repr__(self):
        return f"Table(columns={list(self.columns)!r}, rows={[list(row) for row in self.rows]!r})"

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        """Rows as dictionaries, column name to cell."""
        return (dict(zip(self.columns, row)) for row in self.rows)


class Image:
    """A picture: its MIME type and its bytes."""

    __slots__ = ("data", "mime")

    def __init__(self, mime, data):
        self.mime = mime
        self.data = bytes(data)

    def __eq__(self, other):
        if not isinstance(other, Image):
            return NotImplemented
        return self.mime == other.mime and self.data == other.data

    def __hash__(self):
        return hash((self.mime, self.data))

    def __repr__(self):
        return f"Image({self.mime!r}, {len(self.data)} bytes)"


class Opaque:
    """A value that has no wire form of its own: its class and what its repr said, both for people only."""

    __slots__ = ("class_name", "text")

    def __init__(self, class_name, text):
        self.class_name = class_name
        self.text = text

    def __eq__(self, other):
        if not isinstance(other, Opaque):
            return NotImplemented
        return self.class_name == other.class_name and self.text == other.text

    def __hash__(self):
        return hash((self.class_name, self.text))

    def __repr__(self):
        return f"Opaque({self.class_name!r}, {self.text!r})"
