"""A broken plugin is named with its distribution and version, dropped and shown, and the host still serves."""

import json

import pytest

_HEAD = "from host.hookspecs import hookimpl\nfrom host.specs import AdapterSpec, CommandSpec, RouteSpec\n"

_BROKEN = {
    "import-error": ("import a_module_that_is_nowhere\n", "a_module_that_is_nowhere"),
    "raises-on-import": ("raise RuntimeError('no licence')\n", "no licence"),
    "exits-on-import": ("raise SystemExit(3)\n", "SystemExit"),
    "syntax-error": ("def broken(:\n", "SyntaxError"),
    "unknown-hook": (_HEAD + "@hookimpl\ndef no_such_hook():\n    return []\n", "no_such_hook"),
    "wrong-argument": (
        _HEAD + "@hookimpl\ndef adapters(nothing_of_that_name):\n    return []\n",
        "nothing_of_that_name",
    ),
    "wrong-type": (_HEAD + "@hookimpl\ndef commands():\n    return [42]\n", "int"),
    "not-iterable": (_HEAD + "@hookimpl\ndef commands():\n    return 42\n", "commands"),
    "hook-raises": (_HEAD + "@hookimpl\ndef adapters():\n    raise ValueError('bad day')\n", "bad day"),
    "duplicate-command": (
        _HEAD + "@hookimpl\ndef commands():\n    yield CommandSpec('run', 'os:getcwd', 'Takes over.')\n",
        "'run'",
    ),
    "duplicate-adapter": (
        _HEAD + "@hookimpl\ndef adapters():\n    yield AdapterSpec('placeholder', 'builtins:object', 'Takes over.')\n",
        "'placeholder'",
    ),
}
_RUNS = """
import asyncio, json
from host import ExecutionRequest, build_host

async def main():
    async with build_host() as host:
        result = await host.execute(ExecutionRequest(code="1 + 1"))
        broken = [[each.name, each.distribution, each.version, each.reason] for each in host.plugins.broken]
        print(json.dumps({"status": result.status, "broken": broken}))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def broken_site(new_site):
    """A folder with every kind of broken plugin."""
    for kind, (code, _) in _BROKEN.items():
        new_site.write(f"broken-{kind}", "1.2.3", "broken_" + kind.replace("-", "_"), code)
    return new_site


@pytest.fixture(scope="module")
def listed(broken_site):
    """What ``understudy plugins`` says beside all of them."""
    return json.loads(broken_site.understudy("plugins", "--json").stdout)


@pytest.mark.parametrize("kind", _BROKEN)
def test_it_is_named_and_dropped(listed, kind: str) -> None:
    """``understudy plugins`` shows distribution, version and reason, once."""
    (broken,) = [each for each in listed["broken"] if each["distribution"] == f"broken-{kind}"]
    assert broken["version"] == "1.2.3"
    assert _BROKEN[kind][1] in broken["reason"]


def test_the_others_are_all_there(listed) -> None:
    """No broken plugin takes a built-in one with it."""
    loaded = {each["name"] for each in listed["loaded"]}
    assert {"host.builtin", "adapters.plugin", "policies.plugin", "readiness.plugin", "voice_handler.plugin"} <= loaded


def test_a_name_that_is_taken(site) -> None:
    """Of two distributions that use one entry-point name the first serves and the second is named as broken."""
    for letter in "ab":
        site.write(f"twin-{letter}", f"{'ab'.index(letter)}.1", f"twin_{letter}", _HEAD, entry="twin")
    plugins = json.loads(site.understudy("plugins", "--json").stdout)
    (broken,) = plugins["broken"]
    assert (broken["name"], broken["distribution"], broken["version"]) == ("twin", "twin-b", "1.1")
    assert "twin-a" in broken["reason"]


def test_the_host_serves_beside_all_of_them(broken_site) -> None:
    """With every kind of broken plugin installed at once a request is still answered, and all are named."""
    answer = json.loads(broken_site.run("-c", _RUNS).stdout.splitlines()[-1])
    assert answer["status"] in ("succeeded", "not_implemented")
    named = {distribution for _, distribution, _, _ in answer["broken"]}
    expected = {f"broken-{kind}" for kind in _BROKEN} - {
        "broken-wrong-type",
        "broken-not-iterable",
        "broken-duplicate-command",
    }
    assert expected <= named  # commands are asked for by the command line, not by the host


def test_the_help_works_beside_all_of_them(broken_site) -> None:
    """The command line lists its own commands whatever a plugin does."""
    done = broken_site.understudy("--help")
    assert "validate" in done.stdout
    assert "understudy plugins" in done.stdout


def test_a_required_plugin_that_is_broken_refuses_the_start(site) -> None:
    """Where the configuration requires the plugin, the host does not start and says which and why."""
    site.write("broken-needed", "1.2.3", "broken_needed", _BROKEN["import-error"][0], entry="needed")
    done = site.run("-c", _RUNS, check=False, UNDERSTUDY_PLUGINS__REQUIRED="needed")
    assert done.returncode != 0
    assert "required plugin needed" in done.stderr
    assert "a_module_that_is_nowhere" in done.stderr
