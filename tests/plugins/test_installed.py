"""A third party's distribution, really installed, adds an adapter, a policy check, a route and a command."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

_SOURCE = Path(__file__).parents[1] / "data" / "understudy-echo"

_SERVED = """
import asyncio, httpx, json
from host import build_host
from host.http.app import create_app

async def main():
    async with build_host() as host:
        transport = httpx.ASGITransport(create_app(host=host))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/v1/echo/hello")
            document = (await client.get("/openapi.json")).json()
    print(json.dumps([answer.status_code, answer.json(), "/v1/echo/{text}" in document["paths"]]))

asyncio.run(main())
"""


def test_its_adapter_runs_programs(echo_site) -> None:
    """A program in the plugin's language runs on the plugin's adapter, chosen through the switchboard."""
    program = echo_site.folder.parent / "greeting.echo"
    program.write_text("Hello {name}")
    inputs = json.dumps({"name": "Ann"})
    done = echo_site.understudy(
        "run", str(program), "--language", "echo", "--inputs", inputs, "--adapter", "echo", "--json"
    )
    result = json.loads(done.stdout)
    assert (result["status"], result["value"]) == ("succeeded", "Hello Ann")
    assert (result["adapter"], result["adapter_version"]) == ("echo", "0.3.0")


def test_it_can_be_configured(echo_site) -> None:
    """The table [adapters.echo] of the configuration reaches the plugin's adapter."""
    program = echo_site.folder.parent / "loud.echo"
    program.write_text("quiet")
    configuration = echo_site.folder.parent / "echo.toml"
    configuration.write_text('[adapters]\nprefer = ["echo"]\n[adapters.echo]\nshout = true\n')
    done = echo_site.understudy("run", str(program), "--json", "--config", str(configuration))
    assert json.loads(done.stdout)["value"] == "QUIET"


def test_its_policy_check_denies(echo_site) -> None:
    """The plugin's policy check denies a request, with its rule, reason and remedy."""
    program = echo_site.folder.parent / "sum.py"
    program.write_text("1 + 1")
    done = echo_site.understudy("run", str(program), "--inputs", '{"password": "x"}', "--json", check=False)
    result = json.loads(done.stdout)
    assert done.returncode == 3
    assert result["status"] == "denied"
    assert "An input is named password." in result["reason"]
    assert [risk["rule"] for risk in result["risks"]] == ["no-passwords"]


def test_its_route_is_served(echo_site) -> None:
    """The plugin's route answers and is in the OpenAPI document."""
    done = echo_site.run("-c", _SERVED)
    assert json.loads(done.stdout.splitlines()[-1]) == [200, {"text": "hello"}, True]


def test_its_command_runs(echo_site) -> None:
    """The plugin's command is in the help and runs."""
    assert "Say a text back." in echo_site.understudy("--help").stdout
    assert echo_site.understudy("echo", "hello").stdout == "hello\n"


def test_it_is_listed_with_its_distribution(echo_site) -> None:
    """The list of plugins names the distribution and its version."""
    plugins = json.loads(echo_site.understudy("plugins", "--json").stdout)
    (echo,) = (each for each in plugins["loaded"] if each["name"] == "echo")
    assert (echo["distribution"], echo["version"]) == ("understudy-echo", "0.3.0")
    assert {"adapters", "check_policy", "commands", "routes"} <= set(echo["hooks"])
    assert plugins["broken"] == []


def test_it_passes_the_conformance_suite_in_ten_lines(echo_site) -> None:
    """A plugin's own pytest runs the shipped suite with a subclass of a few lines."""
    test = _SOURCE / "tests" / "test_conformance.py"
    assert len(test.read_text().splitlines()) <= 12
    done = echo_site.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(test.parent), str(test), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_it_can_be_switched_off(echo_site) -> None:
    """A plugin that configuration disables is not loaded."""
    done = echo_site.understudy("plugins", "--json", UNDERSTUDY_PLUGINS__DISABLED="echo")
    assert "echo" not in {each["name"] for each in json.loads(done.stdout)["loaded"]}
