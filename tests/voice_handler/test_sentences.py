"""What is said of a program that shows something."""

import pytest

from host.displays import CHART, TABLE
from host.models import Display, ExecutionResult
from host.values import Image, Opaque, Table
from voice_handler.sentences import sentence

FIGURE = Display(data={"image/png": "AAAA", CHART: "{}"}, title="Sales in 2026")
NAMELESS = FIGURE.model_copy(update={"title": ""})
ROWS = Display(data={"text/html": "<b>", TABLE: "{}"})
PHOTO = Display(data={"image/jpeg": "AAAA"})
PAGE = Display(data={"text/html": "<b>"})


@pytest.mark.parametrize(
    ("value", "displays", "said"),
    [
        (None, (), "The calculation is done."),
        (None, (FIGURE,), "I have made a chart for you to look at: Sales in two thousand twenty-six."),
        (None, (NAMELESS,), "I have made a chart for you to look at."),
        (None, (ROWS,), "I have made a table for you to look at."),
        (None, (PHOTO,), "I have made a picture for you to look at."),
        (None, (PAGE,), "I have made something for you to look at."),
        (None, (FIGURE, NAMELESS), "I have made two charts for you to look at."),
        (None, (FIGURE, ROWS, PAGE), "I have made three things for you to look at."),
        (Opaque("Figure", "<Figure>"), (NAMELESS,), "I have made a chart for you to look at."),
        ([Opaque("Line2D", "<Line2D>")], (NAMELESS,), "I have made a chart for you to look at."),
        (Image("image/png", b"x"), (PHOTO,), "I have made a picture for you to look at."),
        (7, (FIGURE,), "The answer is seven."),
        ([], (FIGURE,), "The answer is empty."),
        (Table(["n"], [[1]]), (ROWS,), "The answer is a table of one row."),
    ],
)
def test_what_is_to_be_seen_is_said_where_nothing_else_can_be(value, displays, said):
    """A value that can be spoken is; else the sentence says what there is to look at, by kind, number and title."""
    result = ExecutionResult(
        id="x", status="succeeded", language="python", policy="data", value=value, displays=displays
    )
    assert sentence(result) == said
