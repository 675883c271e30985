"""Every measure runs, and what it found becomes rows, bounds, a picture and a page. No figure is judged here."""

import json
import xml.etree.ElementTree

import pytest

from benchmarks import page, plot, suite, table
from benchmarks.contenders import COLD, HTTP, PLAIN, WARM
from benchmarks.targets import Target, targets

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("name", suite.MEASURES)
def test_a_measure_gives_figures_or_its_reason(results, name):
    """Each measure ends with figures; one that this machine cannot take says why."""
    needs = {"group_by": "pandas", "idle": "idle guests", "aws": "lambda, emulated"}
    assert results.get(name) or results["absent"].get(needs.get(name, name))


def test_ways_to_run_are_timed_side_by_side(results):
    """Ours, warm and cold, over HTTP, and a bare process have each been timed, and none took no time."""
    for name in (WARM, HTTP, COLD, PLAIN):
        assert 0 < results["latency"][name]["p50"] <= results["latency"][name]["p99"]


def test_no_run_fails_under_load(results):
    """With more runs under way than there are processors, and with a hundred at once, each succeeds."""
    assert not any(results["throughput"]["failures"].values())
    assert not results["burst"]["failures"]


def test_the_bare_prototype_runs(results):
    """The prototype that the rates are held against makes runs, or the reason is known."""
    assert results["throughput"]["prototype"] or "bare prototype" in results["absent"]


def test_every_bound_is_a_row(results):
    """Each bound stands in the table with its figure and its verdict."""
    held = targets(results)
    shown = table.text(results, held)
    for target in held:
        assert target.name in shown
    assert {"pass", "MISSED", "not measured"} & set(shown.split())


def test_what_was_measured_is_plain_data(results):
    """The raw figures, with the facts of the machine, can be kept as JSON."""
    kept = json.loads(json.dumps(results))
    assert kept["machine"]["cores"] >= 1
    assert kept["machine"]["kernel"]


def test_the_picture_is_one(results):
    """The picture is well-formed SVG that names every way that was timed."""
    drawn = plot.draw(results)
    words = "".join(xml.etree.ElementTree.fromstring(drawn).itertext())
    for name in results["latency"]:
        assert name in words


def test_a_page_keeps_what_was_written_by_hand(results, tmp_path):
    """Figures go between their markers, again and again, and nothing else of the page changes."""
    own = tmp_path / "page.md"
    own.write_text("before\n<!-- generated: figures -->\nthe last run\n<!-- end: figures -->\nafter\n")
    for _ in range(2):
        page.write("figures", table.markdown(results, targets(results)), own)
    written = own.read_text()
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert written.count("### Bounds") == 1
    assert "the last run" not in written


def test_a_page_without_markers_is_refused(tmp_path):
    """A part that the page has no place for is an error that names it."""
    own = tmp_path / "page.md"
    own.write_text("nothing")
    with pytest.raises(ValueError, match="no markers for figures"):
        page.write("figures", "text", own)


def test_a_bound_that_could_not_be_measured_is_not_held():
    """At most and at least are judged, and what was not measured is neither held nor missed."""
    assert Target("x", "at most", 1.0, 1.0).held is True
    assert Target("x", "at least", 1.0, 0.9).held is False
    assert Target("x", "at least", 1.0, None).held is None


def test_nothing_measured_still_gives_tables():
    """Where every measure failed there are still a table, a picture and bounds."""
    nothing = {"machine": {**suite.machine.facts()}, "absent": {"latency": "why"}}
    assert "Not measured: latency (why)." in table.text(nothing, targets(nothing))
    assert "<svg" in plot.draw(nothing)
