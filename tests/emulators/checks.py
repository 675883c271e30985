"""The constraints of a service's model: what is required, lengths, ranges, patterns, enumerations, unions."""

import functools
import re
from collections.abc import Iterator
from typing import Any

from botocore.model import Shape

__all__ = ["Complaint", "complaints", "pattern_of"]

Complaint = tuple[str, str, str]
"""Path of the member, its value as text, what it must satisfy."""

_LONGEST_VALUE = 200


_UNICODE_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\p{P}": r"!-/:-@\[-`{-~",
    r"\p{C}": r"\x00-\x1f\x7f",
}


@functools.lru_cache
def pattern_of(text: str) -> re.Pattern[str]:
    """A pattern of a model, which is Java's, as Python has it; classes of Unicode only roughly."""
    for java, python in _UNICODE_CLASSES.items():
        text = text.replace(java, python)
    return re.compile(text)


def _shown(shape: Shape, value: Any) -> str:
    if value is None:
        return "Value null"
    if shape.metadata.get("sensitive") or isinstance(value, bytes):
        return "Value"
    text = str(value)
    return f"Value '{text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + '...'}'"


def _size(shape: Shape, value: Any) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in {"string", "blob", "list", "map"}:
        size, what = len(value), "length"
    elif shape.type_name in {"integer", "long", "float", "double"}:
        size, what = value, "value"
    else:
        return
    if least is not None and size < least:
        yield f"Member must have {what} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"Member must have {what} less than or equal to {most}"


def _own(shape: Shape, value: Any) -> Iterator[str]:
    yield from _size(shape, value)
    if shape.type_name != "string":
        return
    if (allowed := shape.metadata.get("enum")) and value not in allowed:
        yield f"Member must satisfy enum value set: [{', '.join(allowed)}]"
    if (pattern := shape.metadata.get("pattern")) and not pattern_of(pattern).fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {pattern}"


def _within(shape: Shape, value: Any) -> Iterator[tuple[Shape, Any, str]]:
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                if name in value:
                    yield member, value[name], name
        case "list":
            for number, each in enumerate(value, 1):
                yield shape.member, each, f"{number}.member"
        case "map":
            for key, each in value.items():
                yield shape.key, key, "key"
                yield shape.value, each, f"{key}.value"


def complaints(shape: Shape, value: Any, where: str = "") -> Iterator[Complaint]:
    """What is wrong with a parsed value, and all that is in it."""
    if getattr(shape, "is_document_type", False):
        return
    for problem in _own(shape, value):
        yield where, _shown(shape, value), problem
    if shape.type_name == "structure":
        for name in shape.metadata.get("required", ()):
            if name not in value:
                yield f"{where}.{name}" if where else name, "Value null", "Member must not be null"
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield where, "Value", "Exactly one member of the union must be set"
    for member, each, name in _within(shape, value):
        yield from complaints(member, each, f"{where}.{name}" if where else name)
