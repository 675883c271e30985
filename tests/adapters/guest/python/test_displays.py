"""What a Python program shows: the builtin display, and objects that know how to show themselves."""

import sys

import pytest

from adapters.guest.python.host import request_frame
from host.models import ExecutionRequest
from host.policy import Policy
from host.values import Image

SELF = """
class Rich:
    def __init__(self, **forms): self.__dict__.update(forms)
    def __repr__(self): return "a Rich"
    def _repr_html_(self): return "<b>rich</b>"
    def _repr_png_(self): return b"\\x89PNG"
    def _repr_json_(self): return {"a": [1, float("inf")]} if hasattr(self, "bad") else {"a": 1}
    def _repr_svg_(self): return ("<svg/>", {"isolated": True})
    def _repr_latex_(self): return None
    def _repr_markdown_(self): raise ValueError("no")
"""


def shown(ended):
    """The forms of each display of a run that has to have been read whole."""
    assert ended.report.malformed == ""
    return [dict(each.data) for each in ended.report.displays]


@pytest.mark.parametrize(
    ("code", "forms"),
    [
        ("display('é')", {"text/plain": "é"}),
        ("display([1, 2])", {"text/plain": "[1, 2]"}),
        ("display('<b>', mime='text/html')", {"text/html": "<b>"}),
        ("display(b'<b>', mime='text/html')", {"text/html": "<b>"}),
        ("display(b'x', mime='image/png')", {"image/png": "eA=="}),
        ("display('eA==', mime='image/png')", {"image/png": "eA=="}),
        ("display({'a': 1}, mime='application/vnd.own+json')", {"application/vnd.own+json": '{"a": 1}'}),
        ("display({'text/html': '<p>', 'text/plain': 'p'}, raw=True)", {"text/html": "<p>", "text/plain": "p"}),
        ("display(inputs['p'])", {"image/png": "AQI="}),
    ],
)
def test_what_is_given_is_shown(run_python, code, forms):
    """Text, bytes, data and pictures reach the host in the form that was asked for; they are not the value."""
    ended = run_python(f"{code}\nresult = 1", {"p": Image("image/png", b"\x01\x02")})
    assert ended.value == 1
    assert shown(ended) == [forms]


def test_objects_show_themselves(run_python):
    """The methods that notebooks know give the forms; one that fails is left out, and stderr says so."""
    ended = run_python(SELF + "display(Rich(), title='t')\nresult = 1")
    assert shown(ended) == [
        {
            "text/html": "<b>rich</b>",
            "image/svg+xml": "<svg/>",
            "image/png": "iVBORw==",
            "application/json": '{"a": 1}',
            "text/plain": "a Rich",
        }
    ]
    assert ended.report.displays[0].title == "t"
    assert ended.stderr == "Rich._repr_markdown_: ValueError: no\n"


def test_a_bundle_goes_before_single_methods(run_python):
    """What ``_repr_mimebundle_`` gives is taken, and the other methods fill in the rest."""
    code = SELF + "Rich._repr_mimebundle_ = lambda self: ({'text/html': '<i>', 'application/x-own': b'x'}, {})\nRich()"
    (forms,) = shown(run_python(code))
    assert (forms["text/html"], forms["application/x-own"], forms["image/svg+xml"]) == ("<i>", "eA==", "<svg/>")


def test_data_that_json_lacks_is_left_out(run_python):
    """A form with infinity in it is none; the others are shown."""
    ended = run_python(SELF + "Rich(bad=1)")
    assert "application/json" not in shown(ended)[0]
    assert "application/json: Out of range float values" in ended.stderr


def test_a_last_expression_is_shown_where_there_is_something_to_see(run_python):
    """An object with a form beyond its text is shown; plain values, and what is assigned to result, are not."""
    assert len(shown(run_python(SELF + "Rich()"))) == 1
    assert len(shown(run_python(SELF + "result = 7\nRich()"))) == 1
    for code in ("1 + 1", "'text'", "[1]", "None", "import decimal\ndecimal.Decimal(1)", SELF + "Rich"):
        assert shown(run_python(code)) == []
    ended = run_python(SELF + "result = Rich()")
    assert (shown(ended), ended.value.text) == ([], "a Rich")


def test_what_cannot_be_shown_does_not_lose_the_value(run_python):
    """A last expression whose forms fail still is the value."""
    ended = run_python("class Odd(int):\n    def _repr_html_(self): return 7\nOdd(3)")
    assert (ended.value, shown(ended)) == (3, [])
    assert "Odd cannot be shown: a display of text/html is text or bytes, not int" in ended.stderr


def test_displays_come_in_order_from_threads_too(run_python):
    """What threads show at the same time arrives whole."""
    code = """
import threading
def work(n):
    for _ in range(5):
        display(str(n) * 50_000)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    found = shown(run_python(code, policy=Policy(name="any", allowed_imports=None, max_output_bytes=1 << 24)))
    assert sorted(forms["text/plain"] for forms in found) == sorted(str(n) * 50_000 for n in range(8) for _ in range(5))


def test_displays_of_a_program_that_fails_are_kept(run_python):
    """What was shown before an exception has arrived."""
    ended = run_python("display('x')\n1/0")
    assert (ended.code, shown(ended)) == (1, [{"text/plain": "x"}])


def test_the_largest_forms_are_left_out_first(run_python):
    """Where not all forms fit into what the policy lets out, the largest go."""
    forms = "{'text/html': 'h' * 5000, 'text/markdown': 'm' * 300, 'text/plain': 'p' * 10}"
    policy = Policy(name="any", allowed_imports=None, max_output_bytes=1000)
    found = shown(run_python(f"display({forms}, raw=True)", policy=policy))
    assert [set(each) for each in found] == [{"text/markdown", "text/plain"}]


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("display('x' * 2000)", "TooLargeError", "1000 are left of the 1000 that the policy lets out"),
        ("for n in range(9): display('x' * 200)", "TooLargeError", "are left of the 1000"),
        ("for n in range(101): display('')", "RuntimeError", "at most 100 things"),
        ("display(7, mime='text/html')", "TypeError", "is text or bytes, not int"),
        ("display([1], raw=True)", "TypeError", "takes a dict"),
        ("display({}, raw=True)", "ValueError", "nothing to show"),
        ("import os\nos.close(3)\ndisplay('x')", "OSError", "Bad file descriptor"),
    ],
)
def test_what_cannot_be_shown_is_an_error_of_the_program(run_python, code, kind, message):
    """Too much, too many, or no content: the call fails, and the reason names the limit."""
    limit = 100_000 if "101" in code else 1000
    ended = run_python(code, policy=Policy(name="any", allowed_imports=None, max_output_bytes=limit))
    assert ended.code == 1
    assert f"{kind}: " in ended.stderr
    assert message in ended.stderr
    assert "/guest" not in ended.stderr
    assert ended.report.error is None or ended.report.error.type == kind


def test_a_forked_process_shows_nothing(run_python):
    """A process that the program forked off cannot speak in its name."""
    code = """
import os
child = os.fork()
if child == 0:
    try:
        display("child")
    except RuntimeError:
        os._exit(5)
result = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
    ended = run_python(code)
    assert (ended.value, shown(ended)) == (5, [])


def test_display_is_there_under_an_import_list(run_python):
    """Showing needs no import of the program's, and costs none until it is used."""
    policy = Policy(name="strict", allowed_imports=("math", "sys"))
    ended = run_python(
        "import sys\nbefore = 'python.displays' in sys.modules\ndisplay('x')\nresult = before", policy=policy
    )
    assert (ended.value, shown(ended)) == (False, [{"text/plain": "x"}])


def test_a_name_of_the_programs_own_hides_display(run_python):
    """An input or variable called display is what the program means by it."""
    assert run_python("display + 1", {"display": 2}).value == 3


def test_each_command_of_a_session_shows_its_own(open_live, python_guest, tmp_path):
    """Displays come before their command is done; counts and limits begin anew with the next."""
    live = open_live([sys.executable, "-I", "-S", "-u", str(python_guest / "python" / "main.py"), "session"], tmp_path)

    def run(code):
        policy = Policy(name="any", allowed_imports=None, max_output_bytes=10_000)
        return live.command(request_frame(ExecutionRequest(code=code), policy))

    def kinds(ended):
        return [frame["kind"] for frame in ended.reports]

    assert kinds(run("for n in range(100): display('x')")) == ["display"] * 100 + ["value"]
    assert kinds(run("display('x' * 9000)")) == ["display", "value"]
    assert kinds(run(SELF + "page = Rich()\npage")) == ["display", "value"]
    assert kinds(run("display('y')\n1/0")) == ["display", "error"]
    assert kinds(run("page")) == ["display", "value"]
    assert kinds(run("result = page")) == ["value"]
