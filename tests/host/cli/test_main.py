"""The command itself: help, version, configuration, and commands whose plugin is broken."""

import json
import subprocess
import sys

import pytest
import typer

from host.builtin import commands
from host.cli.errors import exit_code_for_status
from host.models import Status
from host.specs import load_target


def every_command():
    """Each command as it is called; of a group, each of its own."""
    for spec in commands():
        target = load_target(spec.target)
        if isinstance(target, typer.Typer):
            yield from ([spec.name, each.name] for each in target.registered_commands)
        else:
            yield [spec.name]


ALL = list(every_command())


def test_help_names_every_command(here):
    """The help lists the commands of the contract, each with its line."""
    call = here("--help")
    assert call.code == 0
    for name in ("run", "validate", "adapters", "policies", "plugins", "doctor", "history", "show", "serve", "config"):
        assert f" {name} " in call.out


def test_help_imports_no_command():
    """The help reads summaries only: neither targets nor the heavy libraries are imported."""
    code = (
        "import sys; from host.cli.main import run\n"
        "try: run(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'sqlalchemy', 'fastapi', 'host.cli.commands.run'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_every_command_has_help(here, name):
    """Every command loads, says what it does, and takes --json, --config and --set."""
    call = here(*name, "--help")
    assert call.code == 0, call.err
    for option in ("--json", "--config", "--set"):
        assert f" {option} " in call.out


def test_version(understudy):
    """--version names the product and its version."""
    call = understudy("--version")
    assert call.code == 0
    assert call.out.startswith("understudy ")


def test_every_status_has_its_exit_code():
    """The exit codes of `run` are those of the contract."""
    codes = {status.value: exit_code_for_status(status) for status in Status}
    assert codes == {
        "succeeded": 0,
        "failed": 1,
        "denied": 3,
        "timed_out": 4,
        "out_of_memory": 4,
        "output_limit": 4,
        "killed": 4,
        "not_implemented": 5,
        "adapter_failed": 6,
        "interrupted": 6,
        "cancelled": 130,
    }


@pytest.mark.parametrize(
    "arguments", [["rnu"], ["run"], ["run", "a.py", "-c", "1"], ["run", "--nope"], ["--set", "x", "config"]]
)
def test_bad_usage(here, arguments):
    """Bad usage ends with 2, nothing on stdout, a sentence on stderr."""
    call = here(*arguments)
    assert call.code == 2
    assert call.out == ""
    assert call.err.strip()


def test_a_misspelt_command_is_guessed(here):
    """A command that does not exist comes with the one that was meant."""
    assert "Did you mean 'run'?" in here("rnu").err


def test_errors_are_problems_with_json(here):
    """With --json an error is one JSON object on stderr, and stdout stays empty."""
    call = here("config", "--json", UNDERSTUDY_SERVER__PORT="x")
    assert (call.code, call.out) == (2, "")
    problem = json.loads(call.err)
    assert problem["type"] == "configuration"
    assert "server.port" in problem["detail"]
    assert problem["exit_code"] == 2


def test_config_shows_values_and_origins(here, tmp_path):
    """Each value stands with where it came from, whichever side of the command --config and --set stand on."""
    (tmp_path / "mine.toml").write_text('locale = "de-DE"\n')
    for before, after in (
        ([], ["--config", "mine.toml", "--set", "server.port=1"]),
        (["--config", "mine.toml", "--set", "server.port=1"], []),
    ):
        call = here(
            *before, "config", *after, "--json", UNDERSTUDY_LOGS__LEVEL="error", UNDERSTUDY_SERVER__API_KEYS="hush"
        )
        assert call.json["locale"] == {"value": "de-DE", "origin": "file mine.toml:1"}
        assert call.json["server.port"] == {"value": 1, "origin": "argument --set server.port"}
        assert call.json["logs.level"] == {"value": "error", "origin": "environment UNDERSTUDY_LOGS__LEVEL"}
        assert call.json["server.host"] == {"value": "127.0.0.1", "origin": "default"}
        assert "hush" not in call.out
    assert "server.port" in here("config").out


def test_the_file_may_be_named_by_the_environment(here, tmp_path):
    """UNDERSTUDY_CONFIG names the file; --config goes before it."""
    (tmp_path / "one.toml").write_text('locale = "fr"\n')
    (tmp_path / "two.toml").write_text('locale = "de"\n')
    assert here("config", "--json", UNDERSTUDY_CONFIG="one.toml").json["locale"]["value"] == "fr"
    call = here("config", "--config", "two.toml", "--json", UNDERSTUDY_CONFIG="one.toml")
    assert call.json["locale"]["value"] == "de"


def test_broken_configuration_does_not_break_the_help(here):
    """The help works whatever the configuration says; the commands complain."""
    assert here("--help", UNDERSTUDY_NONSENSE="1").code == 0
    call = here("config", UNDERSTUDY_NONSENSE="1")
    assert call.code == 2
    assert "UNDERSTUDY_NONSENSE" in call.err


def test_no_colour_without_a_terminal(understudy):
    """Nothing that goes into a pipe is coloured."""
    for arguments in (["--help"], ["config"], ["plugins"], ["rnu"]):
        call = understudy(*arguments)
        assert "\x1b" not in call.out + call.err


def plugin_distribution(folder, name, body, entry):
    """A distribution on the path with one entry point, as an installation would leave it."""
    (folder / f"{name}.py").write_text(body)
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[understudy]\n{name} = {entry}\n")


GREETER = """
from host.hookspecs import hookimpl
from host.specs import CommandSpec

@hookimpl
def commands():
    yield CommandSpec("greet", "greeter:greet", "Say hello.")
    yield CommandSpec("gone", "greeter:nothing_there", "Fail to load.")

def greet(name: str = "you") -> int:
    from host.cli.session import session
    print(f"hello {name}, {session().settings().locale}")
    return 7
"""


def test_a_plugin_brings_a_command(understudy, tmp_path):
    """A third party's typer-style function is a command, with --config and --set; what it returns is the exit code."""
    plugin_distribution(tmp_path, "greeter", GREETER, "greeter")
    assert "Say hello." in understudy("--help", PYTHONPATH=str(tmp_path)).out
    call = understudy("greet", "--name", "Ada", "--set", "locale=fr", PYTHONPATH=str(tmp_path))
    assert (call.code, call.out) == (7, "hello Ada, fr\n")


def test_a_command_that_cannot_be_loaded_is_named(understudy, tmp_path):
    """A command whose target is missing ends with 70 and is named; the others work."""
    plugin_distribution(tmp_path, "greeter", GREETER, "greeter")
    call = understudy("gone", PYTHONPATH=str(tmp_path))
    assert call.code == 70
    assert "greeter:nothing_there" in call.err
    assert understudy("config", PYTHONPATH=str(tmp_path)).code == 0


def test_a_broken_plugin_is_shown_and_never_fatal(understudy, tmp_path):
    """A plugin that cannot be imported is named in the help and by `plugins`, with distribution and version."""
    plugin_distribution(tmp_path, "wreck", "1 / 0", "wreck")
    environ = {"PYTHONPATH": str(tmp_path)}
    call = understudy("--help", **environ)
    assert call.code == 0
    assert "wreck" in call.out
    broken = understudy("plugins", "--json", **environ).json["broken"]
    assert [(each["name"], each["distribution"], each["version"]) for each in broken] == [("wreck", "wreck", "1.2")]
    assert "ZeroDivisionError" in broken[0]["reason"]
    assert "wreck" not in understudy("--help", UNDERSTUDY_PLUGINS__DISABLED="wreck", **environ).out
    assert "wreck" not in understudy("--help", UNDERSTUDY_PLUGINS__ENTRY_POINTS="no", **environ).out
