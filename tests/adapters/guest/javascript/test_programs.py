"""JavaScript and TypeScript programs as bare processes: their value, their errors, their ends, what they may import."""

import json
import subprocess
from pathlib import Path

import pytest

from adapters.guest.javascript.host import JavaScriptGuest, TypeScriptGuest
from adapters.guest.javascript.shape import shape
from adapters.guest.reports import read_report

CLOSED = {"allowed_imports": (), "file_system_access": "none"}


@pytest.fixture(scope="module")
def js(bare_run):
    return bare_run(JavaScriptGuest())


@pytest.fixture(scope="module")
def ts(bare_run):
    return bare_run(TypeScriptGuest())


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("", None),
        ("// only a comment", None),
        ("let result = 1; 2", 1),
        ("const { result } = { result: 3 };", 3),
        ("result = 4", 4),
        ("if (inputs.a) { var result = inputs.a }", 5),
        ("let result;\n6", 6),
        ("function result() { return 7 }\nresult()", 7),
        ("let x = 8; for (const i of [1]) x += i;", None),
        ("'use strict'; let result = 9", 9),
        ("with (Math) { result = max(1, 10) }", 10),
        ("total = 11; total", 11),
        ("await Promise.resolve(12)", 12),
        ("await (async () => 13)()", 13),
        ("sum = 0; for await (const x of [6, 8]) sum += x; sum", 14),
        ("result = await Promise.resolve(15);", 15),
        ("async function main() { return 16 }\nmain()", 16),
        ("async function main() { await null; result = 17 }\nmain()", 17),
        ("setTimeout(() => { result = 18 }, 1); 0", 18),
        ("import { sep } from 'node:path'; sep", "/"),
        ("import { sep } from 'path';\nconst result = sep;", "/"),
        ("export const x = 21; x", 21),
        ("require('path').sep", "/"),
        ("const { sep } = await import('path'); sep", "/"),
        ("if (require.main === module) result = 24", 24),
        ("result = 25; Deno.exit(0)", 25),
        ("let Table = 26; Table", 26),
        ("new Promise(() => {})", None),
        ("prompt('?')", None),
        ("new TextDecoder().decode(Deno.readAllSync ? 0 : await new Response(Deno.stdin.readable).bytes())", ""),
    ],
)
def test_the_value_of_a_script(js, code, value):
    """The value is `result` where the program assigns it, else that of its last expression; promises are awaited."""
    assert js(code, {"a": 5}).value == value


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("enum E { A = 1 }\nconst x: number = 3;\ninterface P { a: string }\nx + E.A", 4),
        ("const result: number = 5;", 5),
        ("result = 6", 6),
        ("function id<T>(x: T): T { return x }\nid<number>(7)", 7),
        ("import { sep } from 'path';\nconst s: string = sep; s as string", "/"),
        ("let x = 8;\nif (import.meta.main) x += 1;\nx", 9),
        ("namespace N { export const a = 10 }\nN.a satisfies number", 10),
        ("class A { constructor(private x: number) {}\n get() { return this.x } }\nnew A(11).get()", 11),
    ],
)
def test_the_value_of_typescript(ts, code, value):
    """TypeScript has the same rules; its types go and are not checked."""
    assert ts(code).value == value


@pytest.mark.parametrize(
    ("language", "code", "kind", "line", "column", "trace"),
    [
        ("javascript", "let x = 1;\nfunction f() { return null.x }\nf()", "TypeError", 2, 28, "at f (program.js:2:28)"),
        ("javascript", "let a = 1;\n let )", "SyntaxError", 2, 6, "at program.js:2:6"),
        ("javascript", "await null; null.x", "TypeError", 1, 18, "at program.js:1:18"),
        ("javascript", "await null;\nfoo(await 1)", "ReferenceError", 2, 1, "at program.js:2:1"),
        ("javascript", "import fs from 'fs'; null.x", "TypeError", 1, 27, "at program.js:1:27"),
        ("javascript", "setTimeout(() => { null.x }, 1)", "TypeError", 1, 25, "at program.js:1:25"),
        ("javascript", "Promise.reject(new RangeError('no'))", "RangeError", 1, 16, "at program.js:1:16"),
        ("javascript", "JSON.parse('{')", "SyntaxError", 1, 6, "at program.js:1:6"),
        ("javascript", "import { nope } from 'node:fs'", "SyntaxError", 1, 10, "at program.js:1:10"),
        ("javascript", "throw 'boom'", "Uncaught", None, None, "Uncaught: boom"),
        ("javascript", "await new Promise(() => {})", "UnsettledAwait", None, None, "still waited"),
        (
            "typescript",
            "interface A {}\n\nconst x: number = 1;\n(null as any).foo",
            "TypeError",
            4,
            15,
            "at program.ts:4:15",
        ),
        ("typescript", "let a: = 3", "SyntaxError", 1, 8, "at program.ts:1:8"),
        (
            "typescript",
            "class A<T> {\n  m(): T { throw new Error('x') }\n}\nnew A().m()",
            "Error",
            2,
            18,
            "program.ts:2:18",
        ),
    ],
)
def test_errors_point_at_the_callers_lines(js, ts, language, code, kind, line, column, trace):
    """An uncaught error ends with 1; report and trace name the caller's own line, and no file of the guest's."""
    ended = (js if language == "javascript" else ts)(code)
    assert (ended.exit_code, ended.error["type"]) == (1, kind)
    assert (ended.error["line"], ended.error["column"]) == (line, column)
    assert trace in ended.stderr
    assert ".mjs" not in ended.stderr
    assert "blob:" not in ended.stderr + ended.error["message"]


def test_causes_are_shown(js):
    """The cause of an error is part of its trace."""
    ended = js("throw new Error('outer', { cause: new TypeError('inner') })")
    assert "Error: outer\n    at program.js:1:7\nCaused by: TypeError: inner\n" in ended.stderr


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("Deno.exit(3)", 3),
        ("process.exit(4)", 4),
        ("Deno.exitCode = 5; 1", 5),
        ("process.exitCode = 6", 6),
        ("Deno.exit()", 0),
    ],
)
def test_an_exit_code_of_its_own_is_kept(js, code, exit_code):
    """A program that ends with an exit code ends with that one; a value goes out only with 0."""
    ended = js(code)
    assert ended.exit_code == exit_code
    kinds = [report["kind"] for report in ended.reports if report["kind"] != "done"]
    assert kinds == (["error"] if exit_code else ["value"])


def test_channels_are_kept_apart(js):
    """Output, errors, displays and the value each have their own way."""
    ended = js("console.log('out'); console.error('err'); display('<b>', { mime: 'text/html' }); 1")
    assert (ended.stdout, ended.stderr, ended.value) == ("out\n", "err\n", 1)
    assert [dict(each.data) for each in shown(ended)] == [{"text/html": "<b>"}]


def shown(ended):
    """The displays of a run, as the host reads them."""
    report = read_report(ended.report, 1 << 20)
    assert report.malformed == ""
    return report.displays


@pytest.mark.parametrize(
    ("code", "forms"),
    [
        ("display(new Image('image/png', inputs.b))", {"image/png": "eA=="}),
        ("display(inputs.b, { mime: 'image/png', title: 'dot' })", {"image/png": "eA=="}),
        ("display(inputs.b.buffer, { mime: 'text/plain' })", {"text/plain": "x"}),
        ("display('<svg/>', { mime: 'image/svg+xml' })", {"image/svg+xml": "<svg/>"}),
        ("display(7n)", {"text/plain": "7"}),
        ("display({ a: 1n })", {"application/json": '{"a":"1"}', "text/plain": '{"a":"1"}'}),
        ("display({ a: 1 }, { mime: 'application/json' })", {"application/json": '{"a":1}'}),
        (
            "display({ 'text/plain': 'x', 'text/html': '<p>', 'application/json': [1] }, { raw: true })",
            {"text/html": "<p>", "application/json": "[1]", "text/plain": "x"},
        ),
        (
            "display({ [Symbol.for('Jupyter.display')]: () => ({ 'text/markdown': '*x*' }) })",
            {"text/markdown": "*x*"},
        ),
    ],
)
def test_what_is_shown_has_its_forms(js, code, forms):
    """Pictures, markup, data and objects that show themselves are displays; the richest form comes first."""
    (display,) = shown(js(f"{code}; null", {"b": b"x"}))
    assert list(display.data.items()) == list(forms.items())
    assert display.title == ("dot" if "dot" in code else "")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("display(inputs.b)", ("TypeError", "say what the bytes are")),
        ("for (;;) display('x')", ("RangeError", "at most 100")),
        ("display('x'.repeat(5000))", ("TooLargeError", "lets out 2000")),
    ],
)
def test_what_cannot_be_shown_is_the_programs_error(js, code, error):
    """Bytes of no type, displays without end and displays over the limit end the program with the reason."""
    ended = js(code, {"b": b"x"}, max_output_bytes=2000)
    assert (ended.error["type"], error[1] in ended.error["message"]) == (error[0], True)


def test_inputs_are_data(js):
    """Keys and texts that look like code reach the program as they are."""
    nasty = {"`${1}`": "'\"; throw 1 //", "__proto__": "\u2028\0", "constructor": "😀", "a\nb": "</script>"}
    assert js("inputs", nasty).value == nasty


def test_five_megabytes_of_text_pass(js):
    """A long text goes in and comes back."""
    text = "é" * 2_500_000
    assert js("inputs.text", {"text": text}, max_output_bytes=1 << 25).value == text


@pytest.mark.parametrize(
    "code", ["import fs from 'fs'", "await import('node:fs')", "require('fs')", "export * from 'node:os'"]
)
def test_the_import_list_is_heeded(js, code):
    """A module that is not on the policy's list is refused by name; one that is on it is let in."""
    ended = js(code, **CLOSED)
    assert (ended.exit_code, ended.error["type"]) == (1, "ImportError")
    assert "is not allowed by the policy" in ended.error["message"]
    assert js(code, allowed_imports=("fs", "node:os")).exit_code == 0


def test_deno_stays_shut_under_a_narrow_policy(js):
    """Where no files go in and the modules are listed, deno refuses files, network, processes and libraries too."""
    tries = ("Deno.readTextFileSync('/etc/hostname')", "Deno.writeTextFileSync('/tmp/x', '')")
    tries += (
        "Deno.dlopen('libc.so.6', {})",
        "await fetch('http://127.0.0.1:9999')",
        "new Deno.Command('ls').outputSync()",
    )
    for code in tries:
        assert js(code, **CLOSED).error["type"] == "NotCapable"
    assert js("new Decimal('1.5').times(2).toFixed(2)", **CLOSED).value == "3.00"


def test_files_of_the_work_folder_can_be_imported(tmp_path):
    """A relative import starts at the folder that the program runs in."""
    told = shape("import { x } from './a.js'; x", "javascript")
    assert told["edits"][0] == [19, 19, "$cwd/"]


def test_the_shape_counts_utf16():
    """Offsets are UTF-16 code units, so that JavaScript can use them; columns too."""
    code = "const s = '😀é'; import('fs'); await s"
    told = shape(code, "javascript")
    units = code.encode("utf-16-le")
    start, end = (edit[0] * 2 for edit in told["edits"][-2:])
    assert units[start:end].decode("utf-16-le") == "await s"
    assert told["imports"] == [["fs", 1, len("const s = '😀é'; import(".encode("utf-16-le")) // 2 + 1]]
    assert told["mode"] == "async"


@pytest.mark.parametrize(
    ("code", "mode"),
    [
        ("a" * 200_000, ""),
        ("(" * 100_000, ""),
        ("let )", ""),
        ("export {}", "module"),
        ("x", "script"),
        ("f(await 1)", "async"),
    ],
)
def test_the_shape_tells_scripts_from_modules(code, mode):
    """Mode is told by syntax alone; what is too long to parse at once is left to the guest."""
    assert shape(code, "javascript")["mode"] == mode


def test_long_code_runs_all_the_same(js):
    """Code that is too long to be looked at beforehand runs as a script, and as a module if it is one."""
    padding = "/*" + "x" * 150_000 + "*/"
    assert js(f"{padding} let result = 1; 2").value == 1
    assert js(f"{padding} 6 * 7").value == 42
    assert js(f"{padding} import fs from 'node:path'; const result = fs.sep;").value == "/"


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("code", "report"),
    [
        ("inputs.d.plus(1)", {"kind": "value", "value": {"$type": "decimal", "value": "2.10"}}),
        ("const x = await Promise.resolve(3); x", {"kind": "value", "value": 3}),
        ("import fs from 'fs'; typeof fs.readFileSync", {"kind": "value", "value": "function"}),
        ("\nnull.x", {"kind": "error", "type": "TypeError", "line": 2, "column": 6}),
    ],
)
def test_the_guest_runs_on_node(tmp_path, code, report):
    """The same guest files run on node, with the same reports."""
    request = {
        "v": 1,
        "code": code,
        "language": "javascript",
        "shape": shape(code, "javascript"),
        "allowed_imports": None,
    }
    request |= {"inputs": {"d": {"$type": "decimal", "value": "1.10"}}, "max_value_bytes": 1000}
    body = json.dumps(request).encode()
    guest = Path(__file__).parents[4] / "adapters/guest/javascript/guest.mjs"
    command = ["/bin/bash", "-c", f'exec node "$1" 3>{tmp_path}/report', "bash", str(guest)]
    subprocess.run(command, input=len(body).to_bytes(4, "big") + body, capture_output=True, timeout=60, check=False)
    said = json.loads((tmp_path / "report").read_bytes()[4:])
    said.pop("message", None)
    assert said == report
