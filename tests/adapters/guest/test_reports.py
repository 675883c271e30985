"""What comes back from a guest is untrusted: whatever it is, reading it gives a report and never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.guest.protocol import pack
from adapters.guest.reports import (
    GuestDone,
    GuestError,
    GuestReport,
    GuestValue,
    ReportReader,
    read_report,
    read_text_report,
)
from host.models import Display

LIMIT = 10_000
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_mimes = st.sampled_from(["text/plain", "image/png", "text/html", "TEXT/HTML", "no type", ""])
_forms = st.dictionaries(
    _mimes, st.text(max_size=9) | st.fixed_dictionaries({"$type": st.just("bytes"), "value": _json}) | _json, max_size=3
)
_frames = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["value", "error", "display", "done", "other", None, 7]),
        "value": _json
        | st.fixed_dictionaries({"$type": st.sampled_from(["decimal", "set", "map", "table"]), "value": _json}),
        "type": _json,
        "message": _json,
        "line": _json,
        "column": _json,
        "data": _forms | _json,
        "title": _json,
        "width_px": _json,
        "exit_code": _json,
    },
)
WHOLE = (
    pack({"kind": "display", "data": {"text/plain": "x", "text/html": "<b>"}, "title": "t", "width_px": 3})
    + pack({"kind": "value", "value": {"$type": "decimal", "value": "1.10"}})
    + pack({"kind": "error", "type": "ValueError", "message": "no", "line": 3, "column": 7})
)


def shows(**fields):
    """The bytes of a display frame."""
    return pack({"kind": "display", **fields})


def test_a_whole_report_is_read():
    """Value, displays and error come out as they were sent."""
    report = read_report(WHOLE, LIMIT)
    assert str(report.value) == "1.10"
    assert report.displays == (Display(data={"text/html": "<b>", "text/plain": "x"}, title="t", width_px=3),)
    assert report.error == GuestError("ValueError", "no", 3, 7)
    assert str(report.error) == "ValueError: no (line 3)"
    assert report.malformed == ""


def test_nothing_is_an_empty_report():
    """A guest that said nothing has no value and no error."""
    assert read_report(b"", LIMIT) == GuestReport()


def test_events_come_as_their_last_byte_does():
    """Fed byte by byte, each frame is an event as soon as it is whole, and the report is that of all at once."""
    reader = ReportReader(LIMIT)
    events = [(place, event) for place in range(len(WHOLE)) for event in reader.feed(WHOLE[place : place + 1])]
    first = 4 + int.from_bytes(WHOLE[:4], "big")
    assert [type(event) for _, event in events] == [Display, GuestValue, GuestError]
    assert (events[0][0], events[-1][0]) == (first - 1, len(WHOLE) - 1)
    assert reader.finish() == read_report(WHOLE, LIMIT)


@given(st.lists(_frames, max_size=5), st.integers(0, 60), st.binary(max_size=20), st.integers(1, 30))
def test_reading_never_raises(frames, cut, tail, piece):
    """Frames of any content, cut short and with rubbish behind them, give a report; in pieces the same one."""
    data = b"".join(pack(frame) for frame in frames)
    data = data[: max(len(data) - cut, 0)] + tail
    whole = read_report(data, LIMIT)
    reader = ReportReader(LIMIT)
    events = [event for at in range(0, len(data), piece) for event in reader.feed(data[at : at + piece])]
    done = next((event.report for event in events if isinstance(event, GuestDone)), None)
    assert repr(done or reader.finish()) == repr(whole)


@given(st.binary(max_size=200))
def test_reading_rubbish_never_raises(data):
    """Bytes of any kind give a report."""
    read_report(data, LIMIT)


def test_commands_of_a_session_have_a_report_each():
    """``done`` closes the report of one command; the next begins with nothing, counts included."""
    reader = ReportReader(LIMIT)
    one = shows(data={"text/plain": "x"})
    events = reader.feed(one * 100 + pack({"kind": "value", "value": 1}) + pack({"kind": "done", "exit_code": 0}))
    assert events[-1] == GuestDone(0, GuestReport(1, tuple(events[:100])))
    events = reader.feed(one * 100 + pack({"kind": "done", "exit_code": 300}))
    assert events[-1] == GuestDone(300 & 0xFF, GuestReport(None, tuple(events[:100])))
    assert reader.feed(pack({"kind": "value", "value": 2})) == [GuestValue(2)]
    assert reader.finish() == GuestReport(2)


def test_nothing_is_read_after_a_fault():
    """Where the next frame begins is not known any more, so what follows is neither read nor kept."""
    reader = ReportReader(LIMIT)
    assert reader.feed(pack({"kind": "value", "value": 5}) + pack({"kind": "other"})) == [GuestValue(5)]
    assert reader.feed(pack({"kind": "value", "value": 6})) == []
    assert reader.finish() == GuestReport(5, malformed="the guest's report is malformed: a frame is of no known kind")


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
    many = read_report(shows(data={"text/plain": "x"}) * 101, LIMIT)
    assert ("more than 100 displays" in many.malformed, len(many.displays)) == (True, 100)
    assert read_report(pack(b'{"kind":"value","value":' + deep + b"}"), LIMIT).malformed
    assert "nested deeper" in read_report(pack(b'{"kind":"value","value":' + deep[4850:5150] + b"}"), LIMIT).malformed


def test_a_long_frame_is_refused_by_its_head():
    """A length over the limit is refused before a byte of the frame is held."""
    reader = ReportReader(LIMIT)
    assert reader.feed((1 << 31).to_bytes(4, "big")) == []
    assert "over the limit" in reader.malformed


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, "holds no forms"),
        ({"data": {}}, "at least 1 item"),
        ({"data": {"text/plain; charset=utf-8": "x"}}, "no MIME type"),
        ({"data": {"../../etc": "x"}}, "no MIME type"),
        ({"data": {"text/plain": "x", "TEXT/plain": "y"}}, "twice"),
        ({"data": {"text/plain": 7}}, "neither text nor bytes"),
        ({"data": {"image/png": "not base64"}}, "image/png is not base64"),
        ({"data": {"image/png": {"$type": "bytes", "value": "x"}}}, "image/png is not base64"),
        ({"data": {"text/plain": {"$type": "bytes", "value": "x"}}}, "'bytes' is malformed"),
        ({"data": {f"text/x{n}": "" for n in range(17)}}, "at most 16 items"),
        ({"data": {"text/plain": "x"}, "title": 7}, "'title' of a frame is not text"),
    ],
)
def test_a_display_that_is_wrong_is_named(fields, fault):
    """The reason of a malformed report says what is wrong with a display."""
    assert fault in read_report(shows(**fields), LIMIT).malformed


def test_forms_reach_the_host_as_their_type_has_them():
    """Bytes of a type that is text become text; sides that cannot be are left out; titles are cut."""
    tagged = {"$type": "bytes", "value": "w6k="}
    data = shows(
        data={"text/html": tagged, "image/png": tagged, "image/svg+xml": "\ud800"}, title="t" * 999, width_px=0
    )
    (display,) = read_report(data, LIMIT).displays
    assert dict(display.data) == {"text/html": "é", "image/svg+xml": "\ufffd", "image/png": "w6k="}
    assert (display.title, display.width_px, display.height_px) == ("t" * 200, None, None)


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
