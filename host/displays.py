"""What a program shows: one thing in one or more forms, each a MIME type and its content.

The rules about MIME types are here and nowhere else: which names are right, which contents are text, which form says
most, and what a file of it is called.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = [
    "CHART",
    "MAX_DISPLAYS",
    "MAX_FORM_CHARACTERS",
    "MAX_TITLE",
    "TABLE",
    "Display",
    "file_ending",
    "is_text",
    "normal_mime",
    "richness",
]

CHART = "application/vnd.understudy.chart+json"
"""The data behind a chart; docs/files-and-pictures.md tells its fields."""

TABLE = "application/vnd.dataresource+json"
"""Rows with the types of their columns, as the Table Schema of Frictionless Data has it."""

MAX_DISPLAYS = 100
"""Things that one program may show."""

MAX_FORMS = 16
"""Forms of one thing."""

MAX_FORM_CHARACTERS = 32 << 20
"""Length of one form, base64 as it is."""

MAX_DISPLAY_CHARACTERS = 64 << 20
"""Length of all the forms of one thing."""

MAX_TITLE = 200
_MAX_MIME = 127
_MAX_SIDE_PX = 1_000_000

_PART = r"[a-z0-9][a-z0-9!#$&^_.+-]*"  # RFC 6838's restricted names, in lower case
_MIME = re.compile(f"{_PART}/{_PART}")
_TEXT_TYPES = frozenset(
    f"application/{name}"
    for name in ("ecmascript", "graphql", "javascript", "json", "sql", "toml", "x-latex", "x-ndjson", "xml", "yaml")
)
_BY_RICHNESS = (
    *("text/html", "image/svg+xml", "image/png", "image/", "video/", "audio/", "application/pdf"),
    *("text/markdown", "text/latex", CHART, TABLE, "application/", ""),
)
_ENDINGS = {
    "application/json": "json",
    "application/pdf": "pdf",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/html": "html",
    "text/latex": "tex",
    "text/markdown": "md",
    "text/plain": "txt",
    "video/mp4": "mp4",
    CHART: "chart.json",
    TABLE: "table.json",
}


def normal_mime(name: str) -> str:
    """A MIME type in lower case.

    Raises:
        ValueError: it is no ``type/subtype``, has parameters, or is too long.
    """
    mime = name.lower()
    if len(mime) > _MAX_MIME or not _MIME.fullmatch(mime):
        raise ValueError(f"{name[:80]!r} is no MIME type of the form type/subtype")
    return mime


def is_text(mime: str) -> bool:
    """Whether content of this type is text. Of every other type it is bytes, which JSON carries as base64."""
    return mime.startswith("text/") or mime.endswith(("+json", "+xml", "+yaml")) or mime in _TEXT_TYPES


def richness(mime: str) -> tuple[int, str]:
    """A sorting key: what shows most comes first, what only says it in words comes last."""
    if mime == "text/plain":
        return len(_BY_RICHNESS), mime
    return next(place for place, begin in enumerate(_BY_RICHNESS) if mime.startswith(begin)), mime


def file_ending(mime: str) -> str:
    """What the name of a file of this type ends with, without a dot."""
    if mime in _ENDINGS:
        return _ENDINGS[mime]
    if mime.endswith("+json"):
        return "json"
    return "txt" if is_text(mime) else "bin"


_Side = Annotated[int, Field(ge=1, le=_MAX_SIDE_PX)]


class Display(BaseModel):
    """One thing that a program showed: a picture, a table, a chart.

    Attributes:
        data: MIME type to content, the form that says most first. Text is as it is; bytes are base64.
        title: what it is called, or "".
        width_px, height_px: how large it wants to be seen; None where it does not say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Mapping[str, str] = Field(
        min_length=1,
        max_length=MAX_FORMS,
        description="MIME type to content: text as it is, anything else as base64; the form that says most first",
    )
    title: str = Field(default="", max_length=MAX_TITLE)
    width_px: _Side | None = None
    height_px: _Side | None = None

    @field_validator("data")
    @classmethod
    def _sound(cls, data: Mapping[str, str]) -> Mapping[str, str]:
        named = {normal_mime(name): content for name, content in data.items()}
        if len(named) < len(data):
            raise ValueError("a MIME type stands there twice")
        if sum(map(len, named.values())) > MAX_DISPLAY_CHARACTERS:
            raise ValueError(f"the forms of one display take more than {MAX_DISPLAY_CHARACTERS} characters")
        for mime, content in named.items():
            _check(mime, content)
        return {mime: named[mime] for mime in sorted(named, key=richness)}

    @property
    def richest(self) -> str:
        """The MIME type of the form that says most."""
        return next(iter(self.data))

    @property
    def characters(self) -> int:
        """The length of all its forms."""
        return sum(map(len, self.data.values()))

    def content(self, mime: str) -> bytes:
        """One form as bytes, text in UTF-8.

        Raises:
            KeyError: there is no such form.
        """
        held = self.data[mime]
        return held.encode("utf-8") if is_text(mime) else base64.b64decode(held)


def _check(mime: str, content: str) -> None:
    if len(content) > MAX_FORM_CHARACTERS:
        raise ValueError(f"{mime} takes {len(content)} characters and at most {MAX_FORM_CHARACTERS} are taken")
    if is_text(mime):
        try:
            content.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(f"{mime} is not valid Unicode") from None
        return
    try:
        binascii.a2b_base64(content, strict_mode=True)
    except ValueError:  # binascii.Error, and text that is not ASCII
        raise ValueError(f"{mime} is not base64") from None
