"""What validation says of Elixir."""

import pytest


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("Enum.map([1, 2], &(&1 * 2)) |> Enum.sum()", []),
        ("defmodule M do\n  def f(x), do: x\nend\nM.f(1)", []),
        ("alias Enum, as: E\nE.map([1], & &1)", []),
        ("~D[2026-11-21] |> Date.add(1) |> to_string()", []),
        (":math.sqrt(2)", []),
        ('File.read("x")', ["File"]),
        ("&File.rm/1", ["File"]),
        ("alias File, as: F\nF.cwd()", ["File"]),
        ("alias File.{Stat}\nStat.x()", ["File"]),
        ("import System", ["System"]),
        (":os.cmd('ls')", [":os"]),
        (':"os".cmd(1)', [":os"]),
        ('"ls" |> System.cmd([])', ["System"]),
        ("Elixir.File.cwd()", ["File"]),
        ("apply(File, :read, [1])", ["File"]),
        ("spawn(fn -> 1 end)", ["Process"]),
        ("Kernel.spawn(f)", ["Process"]),
        ("receive do\n  x -> x\nend", ["Process"]),
        ("Task.async(fn -> 1 end)", ["Task"]),
        ("defmodule My.File do\nend\nFile.cwd()", ["File"]),
    ],
)
async def test_modules_beyond_the_core_have_to_be_asked_for(validate, code, names):
    """Under a list modules that only compute and the code's own are free; the others are denied by name."""
    verdict = await validate(code, "elixir")
    assert [risk.message.split("`")[1] for risk in verdict.risks if risk.rule == "import-not-allowed"] == names
    assert verdict.verdict == ("denied" if names else "safe")
    assert (await validate(code, "elixir", "standard")).verdict == "safe"


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ('Code.eval_string("1")', "runs-text"),
        ("m.cmd(1)", "import-not-constant"),
        ("apply(m, :cmd, [1])", "import-not-constant"),
    ],
)
async def test_tricks_are_warned_of(validate, code, rule):
    """Text run as code and computed modules are warnings under a list, notes without one."""
    assert (rule, "warn") in [(risk.rule, risk.severity) for risk in (await validate(code, "elixir")).risks]
    assert (rule, "info") in [(risk.rule, risk.severity) for risk in (await validate(code, "elixir", "standard")).risks]


@pytest.mark.parametrize(("code", "line"), [("x = (", 1), ("1\n2 +* 3", 2), ("defmodule M do", 1)])
async def test_what_cannot_be_parsed_has_its_place(validate, code, line):
    """Broken code is the program's own failure."""
    verdict = await validate(code, "elixir")
    assert verdict.verdict == "safe"
    assert verdict.error.line == line


@pytest.mark.parametrize(
    "code",
    [
        "Enum.reduce([1, 2], 0, fn x, acc -> x + acc end)",
        'IO.puts("#{1 + 1}")',
        "%{a: 1} |> Map.get(:a)",
        "for x <- 1..3, do: x * 2",
        "m = %{key: 1}\nm.key",
        "defmodule M do\n  def f(0), do: 0\n  def f(n) when n > 0, do: f(n - 1)\nend\nM.f(3)",
    ],
)
async def test_plain_computation_is_deterministic(validate, code):
    """Core modules without clock, chance or processes are deterministic."""
    assert (await validate(code, "elixir", "standard")).deterministic


@pytest.mark.parametrize(
    "code",
    [
        ":rand.uniform()",
        "Enum.random([1, 2])",
        "Enum.shuffle([1, 2])",
        "DateTime.utc_now()",
        "&Date.utc_today/0",
        "System.system_time()",
        "self()",
        "make_ref()",
        "spawn(fn -> 1 end)",
        "receive do\n  x -> x\nend",
        "Agent.start(fn -> 1 end)",
        "m.f(1)",
        'Code.eval_string("1")',
        "node()",
    ],
)
async def test_clock_chance_and_processes_are_not_deterministic(validate, code):
    """False in doubt."""
    assert not (await validate(code, "elixir", "standard")).deterministic
