"""What a program shows: the forms of it, and what the host makes of MIME types."""

import base64
import json

import pytest
from pydantic import ValidationError

from host.displays import CHART, TABLE, file_ending, is_text, normal_mime
from host.models import Display, ExecutionResult

PIXEL = base64.b64encode(b"\x89PNG").decode()


def test_the_richest_form_comes_first():
    """Forms are in one order, whatever the order they were given in; names are in lower case."""
    given = (
        "text/plain",
        "Image/PNG",
        "application/x-own",
        CHART,
        "text/html",
        "image/svg+xml",
        TABLE,
        "text/markdown",
    )
    display = Display(data=dict.fromkeys(given, "AAAA"))
    assert list(display.data) == [
        "text/html",
        "image/svg+xml",
        "image/png",
        "text/markdown",
        CHART,
        TABLE,
        "application/x-own",
        "text/plain",
    ]
    assert display.richest == "text/html"


def test_content_is_bytes():
    """Text comes as UTF-8, anything else as what its base64 holds."""
    display = Display(data={"text/plain": "é", "image/png": PIXEL})
    assert (display.content("text/plain"), display.content("image/png")) == ("é".encode(), b"\x89PNG")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({}, "at least 1"),
        ({"text": "x"}, "no MIME type"),
        ({"text/": "x"}, "no MIME type"),
        ({"text/a b": "x"}, "no MIME type"),
        ({"text/plain\r\nx: y": "x"}, "no MIME type"),
        ({"text/plain;charset=utf-8": "x"}, "no MIME type"),
        ({"text/" + "x" * 200: "x"}, "no MIME type"),
        ({"image/png": "é"}, "not base64"),
        ({"image/png": "AAA"}, "not base64"),
        ({"image/png": "AA\nAA"}, "not base64"),
        ({"text/plain": "\ud800"}, "not valid Unicode"),
        ({"text/plain": "x" * (32 << 20) + "x"}, "at most"),
    ],
)
def test_forms_that_are_wrong_are_refused(data, word):
    """Names that are no MIME type, content that is not what its type says, and too much of it are refused by name."""
    with pytest.raises(ValidationError, match=word):
        Display(data=data)


@pytest.mark.parametrize(
    ("mime", "text", "ending"),
    [
        ("text/html", True, "html"),
        ("image/svg+xml", True, "svg"),
        ("image/png", False, "png"),
        ("image/jpeg", False, "jpg"),
        ("application/json", True, "json"),
        ("application/vnd.plotly.v1+json", True, "json"),
        (CHART, True, "chart.json"),
        (TABLE, True, "table.json"),
        ("text/x-own", True, "txt"),
        ("application/x-own", False, "bin"),
        ("application/javascript", True, "txt"),
    ],
)
def test_types_say_what_their_content_is(mime, text, ending):
    """Which types are text, and what a file of each is called."""
    assert (is_text(mime), file_ending(mime)) == (text, ending)
    assert normal_mime(mime.upper()) == mime


def test_displays_travel_in_json_and_count_in_the_hash():
    """A result comes back from its JSON as it was; what was shown is part of the hash of its outputs."""
    fields = {"id": "x", "status": "succeeded", "language": "python", "policy": "strict"}
    shown = Display(data={"text/plain": "x", "image/png": PIXEL}, title="a dot", width_px=1, height_px=1)
    result = ExecutionResult(**fields, displays=(shown,))
    again = ExecutionResult.model_validate({**json.loads(result.model_dump_json(exclude={"value_type"}))})
    assert again.displays == (shown,)
    assert list(again.displays[0].data) == ["image/png", "text/plain"]
    other = ExecutionResult(**fields, displays=(Display(data={"text/plain": "y"}),))
    assert len({each.outputs_sha256 for each in (result, other, ExecutionResult(**fields))}) == 3
