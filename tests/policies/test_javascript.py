"""What validation says of JavaScript and TypeScript."""

import pytest

BOTH = pytest.mark.parametrize("language", ["javascript", "typescript"])


@BOTH
@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import fs from 'node:fs'", "node:fs"),
        ("import 'npm:lodash'", "npm:lodash"),
        ("export * from './other.js'", "./other.js"),
        ("const fs = require('fs')", "fs"),
        ("const m = await import('node:os')", "node:os"),
        ("await Deno.readTextFile('x')", "Deno"),
        ("process.env.HOME", "process"),
        ("await fetch('http://example.org')", "fetch"),
        ("const {env} = process", "process"),
        ("f({Deno})", "Deno"),
    ],
)
async def test_modules_and_globals_of_the_runtime_have_to_be_asked_for(validate, language, code, name):
    """Under a list every module, and every global that is not ECMAScript's own, is denied by name; else none is."""
    verdict = await validate(code, language)
    assert verdict.verdict == "denied"
    assert [risk.message.split("`")[1] for risk in verdict.risks if risk.severity == "deny"] == [name]
    assert (await validate(code, language, "standard")).verdict == "safe"


@BOTH
async def test_a_list_may_name_them(validate, named, language):
    """A policy that lists Deno and node:fs lets them in, and what lies below them."""
    policy = named["strict"].model_copy(update={"allowed_imports": ("Deno", "node:fs")})
    verdict = await validate("import p from 'node:fs/promises'\nDeno.cwd()", language, policy)
    assert verdict.verdict == "safe"


@BOTH
@pytest.mark.parametrize(
    "code",
    [
        "function process(x) { return x }\nprocess(1)",
        "const fetch = (x) => x; fetch(1)",
        "const {Deno} = inputs; Deno",
        "for (const process of [1]) console.log(process)",
        "obj.fetch(1); obj.process",
        "try { f() } catch (process) { process }",
        "([require]) => require",
    ],
)
async def test_names_of_the_codes_own_are_its_own(validate, language, code):
    """A variable, parameter or property that has the name of a global is not the global."""
    assert (await validate(code, language)).verdict == "safe"


@BOTH
@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("eval('1')", "runs-text"),
        ("new Function('return 1')", "runs-text"),
        ("[].constructor.constructor('x')()", "runs-text"),
        ("await import(name)", "import-not-constant"),
    ],
)
async def test_tricks_are_warned_of(validate, language, code, rule):
    """Text run as code and computed imports are warnings under a list, notes without one."""
    assert (rule, "warn") in [(risk.rule, risk.severity) for risk in (await validate(code, language)).risks]
    assert (rule, "info") in [(risk.rule, risk.severity) for risk in (await validate(code, language, "standard")).risks]


@BOTH
@pytest.mark.parametrize(
    ("code", "line", "column"), [("let x = ;", 1, 7), ("f(\n  1,", 1, 1), ("'é'; let é é", 1, 10), ("}", 1, 1)]
)
async def test_what_cannot_be_parsed_has_its_place(validate, language, code, line, column):
    """Broken code is the program's own failure, with a line and about the right column."""
    verdict = await validate(code, language)
    assert verdict.verdict == "safe"
    assert verdict.error.line == line
    assert abs(verdict.error.column - column) <= 3


@pytest.mark.parametrize(
    "code",
    [
        "interface A { x: number }\ntype B<T> = A | null\nenum C { D = 1 }\nconst f = <T,>(x: T, y?: B<T>): T => x",
        "abstract class A<T> { private readonly x: T; constructor(public y: number) {} get z(): number { return 1 } }",
        "let x = y as unknown as number; let z = y!; function f(this: Window, ...a: number[]): asserts a is [] {}",
        "const o = { a: 1 } satisfies Record<string, number>; declare const inputs: any",
    ],
)
async def test_typescript_is_not_javascript(validate, code):
    """Types are read as TypeScript and are a syntax error in JavaScript."""
    assert (await validate(code, "typescript", "standard")).error is None
    assert (await validate(code, "javascript", "standard")).error is not None


@BOTH
@pytest.mark.parametrize(
    "code",
    [
        "1 + 1",
        "const {a, b: c = 1, ...rest} = inputs; result = a + c",
        "[3, 1].sort((x, y) => x - y).map(String)",
        "class A { constructor(x) { this.x = x } }; console.log(new A(1).x)",
        "Math.max(1, 2) + Date.UTC(2026, 10, 21)",
        "const f = async () => 1; await f()",
        "`${inputs.name}: ${JSON.stringify({a: 1})}`",
        "new Map([[1, 2]]).get(1)",
    ],
)
async def test_plain_computation_is_deterministic(validate, language, code):
    """What uses only ECMAScript's own, without clock, chance or locale, is deterministic."""
    assert (await validate(code, language, "standard")).deterministic


@BOTH
@pytest.mark.parametrize(
    "code",
    [
        "Math.random()",
        "const {random} = Math; random()",
        "Math['random']()",
        "Reflect.get(Math, name)()",
        "new Date()",
        "Date.now()",
        "new Date(2026, 0, 1).getHours()",
        "performance.now()",
        "crypto.randomUUID()",
        "setTimeout(f, 1)",
        "(d = Date) => d.now()",
        "globalThis[name]",
        "(1234.5).toLocaleString()",
        "console.time('x')",
        "new Error('x').stack",
        "import x from 'y'",
        "somethingUnknown",
        "const Date = inputs.d; Date.now()",
        "eval('1')",
        "import.meta.url",
    ],
)
async def test_clock_chance_and_the_unknown_are_not_deterministic(validate, language, code):
    """False in doubt."""
    assert not (await validate(code, language, "standard")).deterministic
