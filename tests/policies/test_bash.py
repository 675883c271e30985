"""What validation says of Bash."""

import pytest


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("echo hi; x=1; [[ $x == 1 ]] && printf '%s' $x", []),
        ("f() { echo $1; }; f 2", []),
        ("ls | grep x", ["ls", "grep"]),
        ("echo $(date)", ["date"]),
        ("command curl x", ["curl"]),
        ("env -i A=1 wget y", ["env", "wget"]),
        ("'l's -l", ["ls"]),
        ("/bin/cat x", ["/bin/cat"]),
        ("cat <(ps)", ["cat", "ps"]),
        ("for i in a; do sleep 1; done", ["sleep"]),
    ],
)
async def test_commands_are_the_imports_of_bash(validate, code, names):
    """Under a list builtins and the script's own functions are free; every other command is denied by name."""
    verdict = await validate(code, "bash")
    assert [risk.message.split("`")[1] for risk in verdict.risks if risk.rule == "import-not-allowed"] == names
    assert verdict.verdict == ("denied" if names else "safe")
    assert (await validate(code, "bash", "standard")).verdict == "safe"


async def test_a_list_may_name_commands(validate, named):
    """A policy that lists grep lets grep in, and nothing else."""
    policy = named["strict"].model_copy(update={"allowed_imports": ("grep",)})
    assert (await validate("grep x <<< y", "bash", policy)).verdict == "safe"
    (risk,) = (await validate("grep x <<< y; awk 1", "bash", policy)).risks
    assert "command `awk`" in risk.message


@pytest.mark.parametrize(
    ("code", "rule"), [('eval "$x"', "runs-text"), ("source ./x", "runs-text"), ("$x y", "import-not-constant")]
)
async def test_tricks_are_warned_of(validate, code, rule):
    """Text run as code and computed commands are warnings under a list, notes without one."""
    assert (rule, "warn") in [(risk.rule, risk.severity) for risk in (await validate(code, "bash")).risks]
    assert (rule, "info") in [(risk.rule, risk.severity) for risk in (await validate(code, "bash", "standard")).risks]


@pytest.mark.needs("bash")
@pytest.mark.parametrize(("code", "line"), [("if then fi", 1), ("echo 'abc", 1), ("x=$(", 1), ("a\nb )", 2)])
async def test_what_bash_itself_cannot_parse_is_the_programs_own_failure(validate, code, line):
    """Bash is asked, so the line is the one that Bash would name."""
    verdict = await validate(code, "bash", "standard")
    assert verdict.verdict == "safe"
    assert verdict.error.line == line


@pytest.mark.needs("bash")
async def test_what_only_bash_can_read_is_no_syntax_error(validate):
    """The grammar lacks ``<>``: under a list that is denied with its reason, without one it runs with a warning."""
    code = "exec 3<>/dev/tcp/192.0.2.1/80"
    strict, standard = await validate(code, "bash"), await validate(code, "bash", "standard")
    assert strict.error is None
    assert strict.verdict == "denied"
    assert {risk.rule for risk in strict.risks} == {"unreadable", "reaches-outside"}
    assert standard.verdict == "safe"
    assert {risk.severity for risk in standard.risks} == {"warn"}


@pytest.mark.needs("bash")
async def test_asking_bash_runs_nothing(validate, tmp_path):
    """The second opinion parses and does not execute, whatever the script begins with."""
    flag = tmp_path / "ran"
    await validate(f"touch {flag}; set +n; : > {flag}; exec 3<>{flag}; echo $(: > {flag})", "bash", "standard")
    assert not flag.exists()


@pytest.mark.parametrize(
    "code",
    [
        "echo $((1 + 2))",
        "for i in 1 2 3; do echo $i; done",
        "x=$(echo hi | tr a-z A-Z); echo ${x^^} ${#x}",
        'while read -r line; do echo "$line"; done <<< "$text"',
        "a=(1 2); echo ${a[@]}",
        "f() { local y=$1; echo $y; }; f 1 > out.txt 2> /dev/null",
    ],
)
async def test_plain_computation_is_deterministic(validate, code):
    """Builtins and plain filters on what the script was given are deterministic."""
    assert (await validate(code, "bash", "standard")).deterministic


@pytest.mark.parametrize(
    "code",
    [
        "echo $RANDOM",
        "echo $((RANDOM % 2))",
        "let x=RANDOM",
        "echo ${SECONDS}",
        "echo $$",
        "date",
        "printf '%(%s)T'",
        "sleep 1 & wait",
        "cat /proc/self/stat",
        "echo ../*",
        "awk 'BEGIN { print rand() }'",
        "echo ${!x}",
        "declare -A m; m[a]=1; echo ${m[@]}",
        "time echo",
        "cat <(echo)",
        "set",
        "declare -p",
        "read -t 1 x",
        "eval echo",
        "$x",
        "shuf",
    ],
)
async def test_clock_chance_and_the_unknown_are_not_deterministic(validate, code):
    """False in doubt."""
    assert not (await validate(code, "bash", "standard")).deterministic
