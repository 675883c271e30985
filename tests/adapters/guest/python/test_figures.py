"""Charts of matplotlib, tables of pandas and pictures of Pillow as a Python program shows them."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import pytest

from adapters.guest.python.host import request_frame
from host.displays import CHART, TABLE
from host.models import ExecutionRequest
from host.policy import Policy

SITE = os.path.dirname(os.path.dirname(numpy.__file__))
COLD = "import sys; sys.path[:] = [sys.argv.pop(), *sys.path, sys.argv.pop()]; from python.main import start; start()"
PYPLOT = "import matplotlib.pyplot as plt\n"
LIMIT = 1 << 24
WARM = """
import json, os, sys
sys.path[:] = [sys.argv[1], *sys.path, sys.argv[2]]
import matplotlib.pyplot, pandas, python.figures, python.dataframes
from python import main
for line in sys.stdin:
    task = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(task["folder"])
        for name, number in (("frame", 0), ("out", 1), ("err", 2), ("report", 3)):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
        with open(0, "rb", closefd=False) as frame:
            main.run(frame.read(), 3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Forks a process for each program once the libraries are imported, which would be most of the time of these tests."""


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    """The environment that the guest needs."""
    folder = tmp_path_factory.mktemp("matplotlib")
    return {"MPLBACKEND": "module://python.figures", "MPLCONFIGDIR": str(folder), "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def forker(python_guest, variables):
    """A process that has the libraries imported."""
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", WARM, str(python_guest), SITE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables) as process:
        yield process
        process.stdin.close()


def frame_of(code, limit):
    """The request frame for a program."""
    return request_frame(ExecutionRequest(code=code), Policy(name="data", allowed_imports=None, max_output_bytes=limit))


@pytest.fixture
def run_data(forker, tmp_path, ended_as):
    """Run code that may import what these tests do."""

    def run(code, limit=LIMIT):
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        (folder / "frame").write_bytes(frame_of(code, limit))
        forker.stdin.write(json.dumps({"folder": str(folder)}) + "\n")
        forker.stdin.flush()
        exit_code = int(forker.stdout.readline())
        out, err, report = ((folder / name).read_bytes() for name in ("out", "err", "report"))
        ended = ended_as(exit_code, out, err, report, limit)
        assert ended.report.malformed == ""
        return ended

    return run


@pytest.fixture
def run_cold(python_guest, bare_process, variables):
    """The same in a process that has nothing imported."""

    def run(code, **more):
        command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", COLD, SITE, str(python_guest)]
        return bare_process(command, frame_of(code, LIMIT), LIMIT, {**variables, **more})

    return run


def charts(ended):
    """The chart's data of each display."""
    return [json.loads(each.data[CHART]) for each in ended.report.displays if CHART in each.data]


def only_series(ended):
    """The series of the only chart."""
    ((chart,),) = [each["charts"] for each in charts(ended)]
    return chart["series"]


def test_a_figure_is_shown_in_every_form(run_data):
    """plt.show() gives a PNG, an SVG, the chart's data and a text, with title and size."""
    code = PYPLOT + (
        "plt.plot([1, 2.5], [2, float('nan')], label='mass')\nplt.title('Growth')\nplt.xlabel('Time (s)')\n"
        "plt.ylabel('Mass')\nplt.yscale('log')\nplt.show()\nresult = plt.get_fignums()"
    )
    ended = run_data(code)
    assert ended.value == []
    (display,) = ended.report.displays
    assert list(display.data) == ["image/svg+xml", "image/png", CHART, "text/plain"]
    png = display.content("image/png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (display.width_px, display.height_px) == tuple(int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert b"<svg" in display.content("image/svg+xml")
    assert display.title == "Growth"
    assert charts(ended) == [
        {
            "title": "Growth",
            "charts": [
                {
                    "kind": "line",
                    "title": "Growth",
                    "x": {"label": "Time (s)", "scale": "linear", "unit": "s"},
                    "y": {"label": "Mass", "scale": "log"},
                    "series": [{"kind": "line", "label": "mass", "x": [1.0, 2.5], "y": [2.0, None]}],
                }
            ],
        }
    ]


def test_the_same_drawing_gives_the_same_bytes(run_data):
    """No time and no random name gets into a picture."""
    code = PYPLOT + "plt.plot([1, 2])\nplt.fill_between([1, 2], [1, 2])\nplt.show()"
    assert run_data(code).report.displays == run_data(code).report.displays


@pytest.mark.parametrize(
    ("code", "titles"),
    [
        ("plt.plot([1]); plt.title('open')", ["open"]),
        ("plt.figure(); plt.title('a')\nplt.figure(); plt.title('b')\nplt.show()\nplt.title('c')", ["a", "b", "c"]),
        ("plt.plot([1]); plt.title('a')\nplt.show()\nplt.show()", ["a"]),
        ("f, a = plt.subplots(); a.set_title('a')\nf.show()", ["a"]),
        ("f, a = plt.subplots(); a.set_title('a')\nf.show(); a.set_title('b')", ["a", "b"]),
        ("f, a = plt.subplots(); a.set_title('last')\nf", ["last"]),
        ("f, a = plt.subplots(); a.set_title('a')\ndisplay(f, title='own')", ["own"]),
        ("plt.plot([1]); plt.close()", []),
        ("for n in range(5):\n    plt.cla(); plt.title(str(n)); plt.plot([n]); plt.pause(0.001)", ["0", "4"]),
        ("import matplotlib\nmatplotlib.use('agg')\nplt.title('agg')", ["agg"]),
        ("from matplotlib.figure import Figure\nf = Figure(); f.suptitle('bare'); f.subplots().plot([1])\nf", ["bare"]),
        ("plt.title('before'); 1/0", ["before"]),
        ("import sys\nplt.title('before'); sys.exit(3)", ["before"]),
    ],
)
def test_each_figure_is_shown_once(run_data, code, titles):
    """Figures are shown by show(), as a last expression, and where they are open at the end; never twice unchanged."""
    ended = run_data(PYPLOT + code)
    assert [each.title for each in ended.report.displays] == titles


def test_figures_are_files_too(run_data):
    """The program's own savefig works as ever."""
    code = PYPLOT + "plt.plot([1]); plt.savefig('out.png'); plt.close()\nresult = open('out.png', 'rb').read(4)"
    assert run_data(code).value == b"\x89PNG"


def test_nothing_has_to_be_imported_before(run_cold):
    """A fresh process finds the back end by the variable that names it, and lets the program choose another."""
    (display,) = run_cold(PYPLOT + "plt.hist([1, 2])\nplt.show()").report.displays
    assert json.loads(display.data[CHART])["charts"][0]["kind"] == "hist"
    (display,) = run_cold("import matplotlib as m\nm.use('agg')\n" + PYPLOT + "plt.hist([1, 2])").report.displays
    assert "image/png" in display.data


@pytest.mark.parametrize(
    ("code", "series"),
    [
        ("plt.plot(['a', 'b'], [1, 2])", {"kind": "line", "x": ["a", "b"], "y": [1, 2]}),
        ("plt.scatter([1, 2], [3, 4.5])", {"kind": "scatter", "x": [1.0, 2.0], "y": [3.0, 4.5]}),
        (
            "plt.bar(['tea', 'milk'], [3, 1])",
            {"kind": "bar", "orientation": "vertical", "x": ["tea", "milk"], "y": [3, 1]},
        ),
        (
            "plt.barh(['tea', 'milk'], [3, 1])",
            {"kind": "bar", "orientation": "horizontal", "y": ["tea", "milk"], "x": [3, 1]},
        ),
        (
            "plt.bar([0, 1], [3, 1]); plt.xticks([0, 1], ['tea', 'milk'])",
            {"kind": "bar", "x": ["tea", "milk"], "y": [3, 1]},
        ),
        ("plt.hist([1, 2, 2, 3], bins=2)", {"kind": "hist", "edges": [1.0, 2.0, 3.0], "counts": [1.0, 3.0]}),
        ("plt.hist([1, 2, 2, 3], bins=2, histtype='step')", {"kind": "hist", "counts": [1.0, 3.0]}),
        ("plt.pie([3, 1], labels=['tea', 'milk'])", {"kind": "pie", "labels": ["tea", "milk"], "values": [3, 1]}),
        (
            "plt.boxplot([[1, 2, 3, 4, 100]], tick_labels=['tea'])",
            {
                "kind": "box",
                "boxes": [
                    {
                        "label": "tea",
                        "low": 1,
                        "q1": 2.0,
                        "median": 3.0,
                        "q3": 4.0,
                        "high": 4,
                        "mean": 22.0,
                        "outliers": [100],
                    }
                ],
            },
        ),
        (
            "plt.violinplot([[1, 2, 3]])",
            {"kind": "violin", "violins": [{"low": 1, "median": 2.0, "high": 3, "mean": 2.0}]},
        ),
        (
            "plt.fill_between([1, 2], [3, 4], label='band')",
            {"kind": "area", "label": "band", "x": [1, 2], "low": [0, 0], "high": [3, 4]},
        ),
        ("plt.imshow([[1, 2], [3, 4]])", {"kind": "heatmap", "rows": 2, "columns": 2, "values": [[1, 2], [3, 4]]}),
        ("plt.pcolormesh([[1, 2], [3, 4]])", {"kind": "heatmap", "values": [[1, 2], [3, 4]]}),
        ("plt.errorbar([1, 2], [3, 4], yerr=1, capsize=3, fmt='o')", {"kind": "scatter", "x": [1, 2], "y": [3, 4]}),
        ("plt.stem([1, 2], [3, 4])", {"kind": "scatter", "x": [1, 2], "y": [3, 4]}),
        ("plt.plot([1, 2], [3, 4]); plt.axhline(3.5); plt.axvline(1)", {"kind": "line", "x": [1, 2], "y": [3, 4]}),
        (
            "import datetime as d\nplt.plot([d.date(2026, 1, 1), d.date(2026, 1, 2)], [1, 2])",
            {"x": ["2026-01-01", "2026-01-02"]},
        ),
        (
            "import datetime as d\nplt.scatter([d.datetime(2026, 1, 1, 5), d.datetime(2026, 1, 2)], [1, 2])",
            {"x": ["2026-01-01T05:00:00", "2026-01-02"]},
        ),
        (
            "import pandas as pd\npd.Series([1, 2], pd.date_range('2026-01-01', periods=2), name='n').plot()",
            {"kind": "line", "x": ["2026-01-01", "2026-01-02"], "y": [1, 2]},
        ),
        (
            "import pandas as pd\npd.DataFrame({'n': [3, 1]}, index=['tea', 'milk']).plot.bar()",
            {"kind": "bar", "label": "n", "x": ["tea", "milk"], "y": [3, 1]},
        ),
        ("plt.plot(range(5000))", {"total_points": 5000, "x": [float(x) for x in range(0, 5000, 5)]}),
    ],
)
def test_a_charts_data_is_what_was_plotted(run_data, code, series):
    """Of every usual kind of chart the numbers come back as numbers, dates in ISO 8601, categories by name."""
    (found,) = only_series(run_data(PYPLOT + code))
    assert {name: found.get(name) for name in series} == series


def test_series_and_charts_are_told_apart(run_data):
    """Several series, stacked bars and several charts of one figure each have their own data."""
    code = PYPLOT + (
        "f, (a, b) = plt.subplots(1, 2)\na.plot([1, 2], label='one'); a.plot([3, 4], label='two'); a.set_title('A')\n"
        "b.bar(['x'], [1], label='low'); b.bar(['x'], [2], bottom=[1], label='high'); b.plot([5])\nf.suptitle('Both')"
    )
    (figure,) = charts(run_data(code))
    first, second = figure["charts"]
    assert (figure["title"], first["title"], first["kind"], second["kind"]) == ("Both", "A", "line", "mixed")
    assert [each["label"] for each in first["series"]] == ["one", "two"]
    assert second["series"][1] == {
        "kind": "bar", "label": "high", "orientation": "vertical", "x": ["x"], "y": [2], "base": [1],
    }  # fmt: skip


def test_many_points_give_no_svg(run_data):
    """What would make a huge SVG is shown as a PNG alone, and its data is thinned."""
    (display,) = run_data(PYPLOT + "plt.scatter(range(30_000), range(30_000))").report.displays
    assert list(display.data) == ["image/png", CHART, "text/plain"]
    assert len(json.loads(display.data[CHART])["charts"][0]["series"][0]["x"]) == 1000


def test_a_picture_that_does_not_fit_loses_its_largest_form(run_data):
    """Where the policy lets little out, what is small enough of a figure is still shown."""
    (display,) = run_data(PYPLOT + "plt.plot([1, 2])", limit=1000).report.displays
    assert list(display.data) == [CHART, "text/plain"]


def test_a_table_is_shown_and_is_the_value(run_data):
    """A DataFrame as last expression is a typed table, and a display with HTML, rows and text."""
    ended = run_data("import pandas as pd\npd.DataFrame({'item': ['a<b', 'c'], 'n': [1, 2]})")
    assert (ended.value.columns, ended.value.rows) == (("item", "n"), (("a<b", 1), ("c", 2)))
    (display,) = ended.report.displays
    assert list(display.data) == ["text/html", TABLE, "text/plain"]
    assert "a&lt;b" in display.data["text/html"]
    rows = json.loads(display.data[TABLE])
    assert rows["data"] == [{"index": 0, "item": "a<b", "n": 1}, {"index": 1, "item": "c", "n": 2}]
    assert {field["name"]: field["type"] for field in rows["schema"]["fields"]}["n"] == "integer"


def test_a_series_is_shown(run_data):
    """A Series is shown as the table that it is a column of."""
    (display,) = run_data("import pandas as pd\npd.Series([1.5], name='n')").report.displays
    assert json.loads(display.data[TABLE])["data"] == [{"index": 0, "n": 1.5}]
    assert "<table" in display.data["text/html"]


def test_long_tables_are_cut(run_data):
    """Of many rows, and of many columns, the first are shown, and how many there are is said."""
    (display,) = run_data("import pandas as pd\ndisplay(pd.DataFrame({'n': range(100_000)}))").report.displays
    rows = json.loads(display.data[TABLE])
    assert (len(rows["data"]), rows["total_rows"]) == (1000, 100_000)
    assert len(display.data["text/html"]) < 10_000
    wide = "import pandas as pd\ndisplay(pd.DataFrame([range(500)] * 1000))"
    (display,) = run_data(wide).report.displays
    assert len(json.loads(display.data[TABLE])["data"]) == 100


def test_a_table_that_json_lacks_is_shown_all_the_same(run_data):
    """Two columns of one name have no form in JSON; HTML and text stay."""
    (display,) = run_data("import pandas as pd\npd.DataFrame([[1, 2]], columns=['a', 'a'])").report.displays
    assert list(display.data) == ["text/html", "text/plain"]


def test_a_picture_is_shown(run_data):
    """An image of Pillow's is a PNG with its size; one that is too large is a JPEG."""
    ended = run_data("from PIL import Image\nImage.new('RGB', (30, 20), 'red')")
    (display,) = ended.report.displays
    assert (list(display.data), display.width_px, display.height_px) == (["image/png", "text/plain"], 30, 20)
    noise = "from PIL import Image\nimport os\nImage.frombytes('L', (100, 100), os.urandom(10_000))"
    (display,) = run_data(noise, limit=13_500).report.displays
    assert list(display.data) == ["image/jpeg", "text/plain"]
