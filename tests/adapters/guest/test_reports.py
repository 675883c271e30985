"""What comes back from a guest is untrusted: whatever it is, reading it gives a report and never raises."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.guest.protocol import pack
from adapters.guest.reports import GuestError, read_report, read_text_report
from host.models import Display

LIMIT = 10_000
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_frames = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["value", "error", "display", "other", None, 7]),
        "value": _json
        | st.fixed_dictionaries({"$type": st.sampled_from(["decimal", "set", "map", "table"]), "value": _json}),
        "type": _json,
        "message": _json,
        "line": _json,
        "column": _json,
        "mime": _json,
        "data": _json,
    },
)


def test_a_whole_report_is_read():
    """Value, displays and error come out as they were sent."""
    data = (
        pack({"kind": "display", "mime": "text/plain", "data": "x"})
        + pack({"kind": "value", "value": {"$type": "decimal", "value": "1.10"}})
        + pack({"kind": "error", "type": "ValueError", "message": "no", "line": 3, "column": 7})
    )
    report = read_report(data, LIMIT)
    assert str(report.value) == "1.10"
    assert report.displays == (Display(mime="text/plain", data="x"),)
    assert report.error == GuestError("ValueError", "no", 3, 7)
    assert str(report.error) == "ValueError: no (line 3)"
    assert report.malformed == ""


def test_nothing_is_an_empty_report():
    """A guest that said nothing has no value and no error."""
    report = read_report(b"", LIMIT)
    assert (report.value, report.error, report.malformed) == (None, None, "")


@given(st.lists(_frames, max_size=5), st.integers(0, 60), st.binary(max_size=20))
def test_reading_never_raises(frames, cut, tail):
    """Frames of any content, cut short and with rubbish behind them, give a report."""
    data = b"".join(pack(frame) for frame in frames)
    read_report(data[: max(len(data) - cut, 0)] + tail, LIMIT)


@given(st.binary(max_size=200))
def test_reading_rubbish_never_raises(data):
    """Bytes of any kind give a report."""
    read_report(data, LIMIT)


def test_what_was_read_before_the_fault_is_kept():
    """A report that breaks off keeps what came whole."""
    report = read_report(pack({"kind": "value", "value": 5}) + b"\0\0", LIMIT)
    assert report.value == 5
    assert report.malformed == "the guest's report is malformed: a frame is cut short"


def test_size_count_and_depth_are_capped():
    """Frames that are too long, too many or too deep are malformed."""
    deep = b"[" * 5000 + b"]" * 5000
    assert "over the limit" in read_report(pack({"kind": "value", "value": "x" * 100_000}), LIMIT).malformed
    assert "more than 1000 frames" in read_report(pack({"kind": "value", "value": 1}) * 1001, LIMIT).malformed
    assert (
        "more than 100 displays"
        in read_report(pack({"kind": "display", "mime": "a", "data": "b"}) * 101, LIMIT).malformed
    )
    assert read_report(pack(b'{"kind":"value","value":' + deep + b"}"), LIMIT).malformed
    assert "nested deeper" in read_report(pack(b'{"kind":"value","value":' + deep[4850:5150] + b"}"), LIMIT).malformed


def test_error_texts_are_cut_and_are_unicode():
    """Messages are cut to a readable length and can be encoded."""
    report = read_report(
        pack({"kind": "error", "type": "E" * 999, "message": "\ud800" + "m" * 9999, "line": -5}), LIMIT
    )
    assert len(report.error.type) == 200
    assert len(report.error.message) == 4000
    report.error.message.encode("utf-8")
    assert report.error.line == 0


def test_text_reports_are_the_value():
    """A guest without frames sends its value as text; no bytes are no value."""
    assert read_text_report(b"a\xff").value == "a\ufffd"
    assert read_text_report(b"").value is None
