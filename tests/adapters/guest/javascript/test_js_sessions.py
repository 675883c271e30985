"""Sessions of the JavaScript guest: what a command declares stays, and nothing but the end ends them."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.guest.contract import SessionGuest
from adapters.guest.javascript.host import JavaScriptGuest, TypeScriptGuest
from adapters.guest.javascript.shape import command_shape

GUEST = Path(__file__).parents[4] / "adapters/guest/javascript"


@pytest.fixture
def js(bare_session):
    return bare_session(JavaScriptGuest())


@pytest.fixture
def ts(bare_session):
    return bare_session(TypeScriptGuest())


def test_both_guests_keep_sessions():
    """The wall can tell that there are sessions."""
    assert isinstance(JavaScriptGuest(), SessionGuest)
    assert isinstance(TypeScriptGuest(), SessionGuest)


def test_what_a_command_declares_stays_and_may_be_declared_again(js):
    """Variables of each kind, functions and classes are seen by later commands, and by functions of earlier ones."""
    js("let a = 1; const b = 2; var c = 3; d = 4; class K { x = 5 } function f() { return [a, b, c, d, new K().x] }")
    assert js("f()").value == [1, 2, 3, 4, 5]
    js("let a = 10; const b = 20; var c = 30; d = 40; class K { x = 50 }")
    assert js("f()").value == [10, 20, 30, 40, 50]
    js("function f() { return a }\na += 1")
    assert js("f()").value == 11
    assert js("let a; a").value is None
    assert js("{ let inner = 1 }\ntypeof inner").value == "undefined"


def test_destructuring_declares(js):
    """Patterns bind all their names, with defaults and rests."""
    js("const { a, b: [c = 4, , d], ...rest } = { a: 1, b: [undefined, 2, 3], e: 5 }; let [f, ...g] = 'xyz'")
    assert js("[a, c, d, rest, f, g]").value == [1, 4, 3, {"e": 5}, "x", ["y", "z"]]
    assert js("const { a } = { a: 2 }; let [f] = 'q'; ({ g } = { g: 7 }); [a, f, g]").value == [2, "q", 7]


def test_constants_are_constant(js):
    """A constant cannot be assigned, in its command or a later one; a declaration that failed can be made again."""
    assert js("const x = 1; x = 2").error["type"] == "TypeError"
    assert js("x = 3").error["type"] == "TypeError"
    assert js("let y = null.z").error["type"] == "TypeError"
    assert js("y").error["type"] == "ReferenceError"
    assert js("let y = x; y").value == 1


@pytest.mark.parametrize(
    ("commands", "value"),
    [
        (["result = 1", "2"], 2),
        (["let result = 1", "result"], 1),
        (["result = 5", "result = 5; 6"], 5),
        (["let result = 5", "let result = 5; 6"], 5),
        (["result = 5", "if (false) result = 5; 6"], 6),
        (["result = 5", "({ result } = { result: 5 }); 6"], 5),
        (["result = 5", "const f = () => { result = 5 }; f(); 6"], 5),
        (["function f() { result = 5 }\nresult = 5", "f(); 6"], 5),
        (["result = 5", "function g(result) { return result }\ng(7)"], 7),
        (["result = 5", "{ let result = 8 } 6"], 6),
        (["result = 5", "(0, eval)('result = 7'); 6"], 7),
        (["result = 5", "try { result = null.x } catch {} 6"], 6),
        (["result = [1]", "result.push(2); 6"], 6),
        (["result = 1", "result += 1; 6"], 2),
        (["result = 5", "result = await 5; 6"], 5),
        (["let result = 5", "let result; 6"], 6),
        (["function result() { return 7 }\nresult()", "result()"], 7),
        (["result = 25; Deno.exit(0)"], 25),
        (["result = 25", "Deno.exit(0)"], None),
        (["1", "let q = 2"], None),
        (["new Promise(() => {})", "new Promise(() => {})"], None),
        (["async function main() { return 16 }", "main()"], 16),
        (["'use strict'; 3"], 3),
        (["#!/usr/bin/env deno\n4"], 4),
    ],
)
def test_the_value_of_a_command_is_its_own(js, commands, value):
    """`result` is the value where this very command assigned it, be it the same value, else its last expression is."""
    for command in commands[:-1]:
        js(command)
    assert js(commands[-1]).value == value


def test_inputs_are_of_a_command(js):
    """`inputs` holds what came with this command; what a command made of them stays."""
    assert js("const kept = inputs.a; inputs", {"a": 1}).value == {"a": 1}
    assert js("[kept, inputs]", {"b": "\ud800"}).value == [1, {"b": "\ud800"}]
    assert js("inputs").value == {}


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("import { sep } from 'node:path'; sep", "/"),
        ("import path, {\n  sep as s,\n  default as again,\n} from 'path';\n[s, path === again]", ["/", True]),
        ("import * as path from 'path'; path.sep", "/"),
        ("import path, * as all from 'path'\npath === all.default", True),
        ("import 'path'; 5", 5),
        ("export const x = 21; x", 21),
        ("export default function f() { return 1 }\nf()", 1),
        ("export default class {}\n2", 2),
        ("export { a };\nvar a = 3; a", 3),
        ("export * from 'path'; 4", 4),
        ("const { sep } = await import('path'); sep", "/"),
        ("import data from './data.json' with { type: 'json' }; data.a", 1),
        ("import { one } from './one.mjs'; one", 1),
        ("if (import.meta.main) 6", None),
        ("require('path').sep", "/"),
    ],
)
def test_imports_work_in_a_command(js, tmp_path, code, value):
    """Imports of each form bind their names, as often as they are run; exports only declare."""
    (tmp_path / "data.json").write_text('{"a": 1}')
    (tmp_path / "one.mjs").write_text("export const one = 1")
    assert js(code).value == value
    assert js(code).value == value


def test_imported_names_stay(js):
    """What a command imports is there for the next."""
    js("import { sep as s } from 'path'")
    assert js("s").value == "/"


@pytest.mark.parametrize(
    ("code", "kind", "line", "column", "trace"),
    [
        ("let x = 1;\nfunction f() { return null.x }\nf()", "TypeError", 2, 28, "at f (program-2.js:2:28)"),
        ("let a = 1;\n let )", "SyntaxError", 2, 6, "at program-2.js:2:6"),
        ("await null; null.x", "TypeError", 1, 18, "at program-2.js:1:18"),
        ("await null;\nfoo(await 1)", "ReferenceError", 2, 1, "at program-2.js:2:1"),
        ("import fs from 'fs'; null.x", "TypeError", 1, 27, "at program-2.js:1:27"),
        ("import {\n  sep,\n} from 'path'\nnull.x", "TypeError", 4, 6, "at program-2.js:4:6"),
        ("await new Promise(done => setTimeout(done, 50)); null.x", "TypeError", 1, 55, "at program-2.js:1:55"),
        ("setTimeout(() => { null.x }, 1); await new Promise(r => setTimeout(r, 50))", "TypeError", 1, 25, ":1:25"),
        ("Promise.reject(new RangeError('no')); 1", "RangeError", 1, 16, "at program-2.js:1:16"),
        ("Promise.reject(new RangeError('no'))", "RangeError", 1, 16, "at program-2.js:1:16"),
        ("JSON.parse('{')", "SyntaxError", 1, 6, "at program-2.js:1:6"),
        ("throw 'boom'", "Uncaught", None, None, "Uncaught: boom"),
        ("throw undefined", "Uncaught", None, None, "Uncaught: undefined"),
        ("await new Promise(() => {})", "UnsettledAwait", None, None, "still waited"),
        ("for await (const x of [new Promise(() => {})]) ;", "UnsettledAwait", None, None, "still waited"),
        ("broken()", "TypeError", 1, 1, "at broken (program.js:2:33)\n    at program-2.js:1:1"),
        ("Deno.exit(3)", "Exit", None, None, ""),
        ("process.exit(4)", "Exit", None, None, ""),
        ("Deno.exitCode = 5; 1", "Exit", None, None, ""),
        ("const kept = 2", "SyntaxError", None, None, "'kept' has already been declared"),
        ("let a = []; a.push(a); a", None, None, None, ""),
        ("import { nope } from './nowhere.mjs'", "TypeError", 1, 1, "Module not found"),
    ],
)
def test_a_command_that_fails_does_not_end_the_session(js, code, kind, line, column, trace):
    """The error names the command's own line, the trace the lines of all commands and none of ours; life goes on."""
    js("let kept = 1;\nfunction broken() { return null.x }")
    ended = js(code)
    (error,) = ended.reports
    assert error["kind"] == "error"
    assert kind in (None, error["type"])
    assert (error.get("line"), error.get("column")) == (line, column)
    assert trace in ended.stderr
    assert ".mjs" not in ended.stderr.replace("nowhere.mjs", "")
    assert ended.exit_code == {"Deno.exit(3)": 3, "process.exit(4)": 4, "Deno.exitCode = 5; 1": 5}.get(code, 1)
    assert js("kept").value == 1


def test_the_programs_own_stacks_name_the_commands(js):
    """What a program prints of an error shows where it came from, and nothing of the guest."""
    js("function f() { return new Error('here') }")
    assert js("f().stack").value == "Error: here\n    at f (program.js:1:23)\n    at program-2.js:1:44"


def test_what_is_left_running_goes_on(js):
    """Timers and promises of a command go on after it; what fails then is shown, and no other command fails of it."""
    js("let ticks = 0; const timer = setInterval(() => ticks++, 1); let open; const gate = new Promise(r => open = r)")
    js("(async () => { await gate; ticks = 'opened' })(); await new Promise(r => setTimeout(r, 20))")
    assert js("ticks > 1").value is True
    assert js("clearInterval(timer); open(); await null; await null; ticks").value == "opened"
    js("let go; const signal = new Promise(r => go = r); (async () => { await signal; null.late })()")
    ended = js("go(); await new Promise(r => setTimeout(r, 20)); 7")
    assert ended.value == 7
    assert "program-5.js:1" in ended.stderr


def test_commands_that_wait_for_ever_are_given_up_for_good(js):
    """A command that nothing can wake fails; the memory that it held can be collected and the session lives."""
    for _ in range(5):
        assert js("await new Promise(() => {})").error["type"] == "UnsettledAwait"
        js("let many; for (let i = 0; i < 50; i++) many = Array.from({ length: 20000 }, (_, i) => ({ i }))")
    assert js("many.length").value == 20000


def test_stdin_is_empty(js):
    """What reads stdin finds its end, and takes no command away."""
    assert js("prompt('?')").value is None
    assert js("await new Response(Deno.stdin.readable).text()").value == ""
    assert js("1 + 1").value == 2


def test_the_import_list_is_heeded(bare_session):
    """Each command's imports are held against the list, by whatever name they come; deno's own door stays shut."""
    run = bare_session(JavaScriptGuest(), allowed_imports=("path",), file_system_access="none")
    assert run("import { sep } from 'path'; sep").value == "/"
    for code in ("import fs from 'fs'", "await import('no' + 'de:fs')", "require('fs')", "export * from 'node:os'"):
        assert run(code).error["type"] == "ImportError"
    for code in ("Deno.readTextFileSync('/etc/hostname')", "Deno.dlopen('libc.so.6', {})"):
        assert run(code).error["type"] == "NotCapable"
    assert run("sep").value == "/"


def test_output_and_displays_come_before_done(js):
    """What a command prints and shows is out when it is done."""
    ended = js("console.log('out'); console.error('err'); display('<b>', { mime: 'text/html' }); 1")
    assert (ended.stdout, ended.stderr) == ("out\n", "err\n")
    assert [report["kind"] for report in ended.reports] == ["display", "value"]


def test_the_end_of_the_channel_ends_the_process(js):
    """Without more commands the process ends with 0, whatever still runs."""
    js("setInterval(() => {}, 1000)")
    assert js.live.finish().exit_code == 0


@pytest.mark.parametrize(
    "close",
    [
        "Deno.dlopen('libc.so.6', { close: { parameters: ['i32'], result: 'i32' } }).symbols.close(3)",
        "Deno.dlopen('libc.so.6', { _exit: { parameters: ['i32'], result: 'void' } }).symbols._exit(9)",
    ],
)
def test_a_command_that_takes_the_channel_ends_the_session(js, close):
    """Without a channel to answer on, a session is over."""
    ended = js(close)
    assert ended.reports == []
    assert ended.exit_code in (70, 9)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("enum E { A = 1 }\nconst x: number = 3;\ninterface P { a: string }\nx + E.A", 4),
        ("const result: number = 5;", 5),
        ("function id<T>(x: T): T { return x }\nid<number>(7)", 7),
        ("import { sep, type PlatformPath } from 'path';\nconst s: string = sep; s as string", "/"),
        ("namespace N { export const a = 10 }\nN.a satisfies number", 10),
        ("class A { constructor(private x: number) {}\n get() { return this.x } }\nnew A(11).get()", 11),
        ("export interface B { b: string }\nexport type C = B;\nconst { b }: B = { b: 'x' }; b!", "x"),
        ("const n: number = await Promise.resolve(12); n", 12),
    ],
)
def test_typescript_has_the_same_rules(ts, code, value):
    """Types go and are not checked; declarations stay, and can be run again."""
    assert ts(code).value == value
    assert ts(code).value == value


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [
        ("interface A {}\n\nconst x: number = 1;\n(null as any).foo", 4, 15),
        ("enum E { A,\n B }\n\n  const q: string = E.A as any;  (null as any).foo", 4, 48),
        ("let a: = 3", 1, 8),
        ("class A<T> {\n  m(): T { throw new Error('x') }\n}\nnew A().m()", 2, 18),
        ("typed(null)", 1, 1),
    ],
)
def test_errors_in_typescript_point_at_the_callers_lines(ts, code, line, column):
    """Line and column are those of the code with its types, also where an enum made other code of it."""
    ts("enum F { A }\nfunction typed(a: any): any { return a.b }")
    assert (ts(code).error["line"], ts(code).error["column"]) == (line, column)


@pytest.mark.needs("node")
def test_the_session_runs_on_node(open_live, tmp_path):
    """The same guest files keep sessions on node, with the same reports."""
    live = open_live(["node", str(GUEST / "session.mjs")], tmp_path)

    def run(code):
        request = {"v": 1, "code": code, "language": "javascript", "shape": command_shape(code, "javascript")}
        body = json.dumps({**request, "allowed_imports": None, "inputs": {"a": 5}, "max_value_bytes": 1000}).encode()
        return live.command(len(body).to_bytes(4, "big") + body)

    assert run("let x = inputs.a; import { sep } from 'path'; [x, sep]").value == [5, "/"]
    assert run("let x = await Promise.resolve(6); const { sep: again } = await import('path'); [x, again]").value == [
        6,
        "/",
    ]
    assert run("\nnull.x").error["line"] == 2
    assert run("process.exit(3)").exit_code == 3
    assert run("await new Promise(() => {})").error["type"] == "UnsettledAwait"
    assert run("require('fs').readFileSync(0, 'utf8')").value == ""
    assert run("x").value == 6
    assert live.finish().exit_code == 0


_NAMES = st.sampled_from("abc")
_OPERANDS = st.one_of(st.integers(-5, 5).map(str), _NAMES, st.sampled_from(["[1]", "'x'", "2.5", "c.length"]))
_EXPRESSIONS = st.recursive(
    _OPERANDS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "*", "===", "||", ","]), inner).map(lambda each: f"({' '.join(each)})"),
        inner.map(lambda text: f"[{text}]"),
        inner.map(lambda text: f"(() => {text})()"),
        inner.map(lambda text: f"({{ a: {text} }}).a"),
        inner.map(lambda text: f"(await {text})"),
    ),
    max_leaves=4,
)
_COMMANDS = st.one_of(
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda parts: f"{parts[0]} = {parts[1]};"),
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda parts: f"for ({parts[0]} of [{parts[1]}]) ;"),
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda parts: f"{parts[0]} = await (async () => {parts[1]})();"),
    st.tuples(_NAMES, _NAMES, _EXPRESSIONS).map(lambda parts: f"[{parts[0]}, ...{parts[1]}] = [{parts[2]}, 1];"),
    _EXPRESSIONS.map(lambda text: f"({text});"),
)  # fmt: skip


def test_commands_give_what_one_program_of_them_gives(bare_session):
    """A row of commands has the values and names that the program has that they make together."""
    several, whole = bare_session(JavaScriptGuest()), bare_session(JavaScriptGuest())

    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(_COMMANDS, min_size=1, max_size=6))
    def check(commands):
        first = "let a = 1, b = 'two', c = [3];"
        several(first)
        last = [several(command) for command in commands][-1]
        joined = whole("\n".join([first, *commands]))
        if joined.exit_code == 0:
            assert (joined.wire, whole("[a, b, c]").wire) == (last.wire, several("[a, b, c]").wire)

    check()
