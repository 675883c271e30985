"""The OpenAPI document tells the truth: schemathesis tries the running service against it, with every check it has."""

import subprocess
import sys
from pathlib import Path

import pytest

from host.http.app import create_app

GONE = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "410", "429", "5xx"]
"""
"""A session that has ended is gone, which 410 says: a valid request on it is no request that was refused."""

PROGRAM = Path(sys.executable).with_name("schemathesis")
KEY = "a-key-of-the-test"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ([], ["--max-examples", "8"]),
        (
            [f"server.api_keys={KEY}"],
            ["--max-examples", "8", "--phases", "examples,fuzzing", "-H", f"Authorization: Bearer {KEY}"],
        ),
    ],
    ids=["without keys", "with keys"],
)
@pytest.mark.engine
def test_schemathesis_finds_nothing(served, tmp_path, settings, options):
    """What the document calls valid is taken, what it calls invalid is refused, and every answer is as it says."""
    with served(*settings) as (_, url):
        (tmp_path / "schemathesis.toml").write_text(GONE)
        command = [PROGRAM, "run", f"{url}/openapi.json", "--checks", "all", "--seed", "7", "--no-color", *options]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


async def test_every_route_has_its_errors_and_its_example(client):
    """Each route documents the errors that it can give as problem+json; what takes a body shows one."""
    document = (await client.get("/openapi.json")).json()
    assert set(document["paths"]) == {
        *("/v1/executions", "/v1/executions/{execution_id}", "/v1/executions/{execution_id}/events"),
        "/v1/executions/{execution_id}/displays/{number}",
        *("/v1/sessions", "/v1/sessions/{session_id}", "/v1/sessions/{session_id}/renew"),
        *("/v1/validate", "/v1/adapters", "/v1/policies"),
        *("/v1/languages", "/v1/plugins", "/livez", "/readyz", "/health"),
    }
    for operations in document["paths"].values():
        for method, operation in operations.items():
            assert "500" in operation["responses"]
            for status, answer in operation["responses"].items():
                if status[0] != "2":
                    assert list(answer["content"]) == ["application/problem+json"]
            if method == "post":
                (content,) = operation["requestBody"]["content"].values()
                name = content["schema"]["$ref"].rpartition("/")[2]
                assert document["components"]["schemas"][name]["examples"]


async def test_both_forms_of_an_answer_are_documented(client):
    """Running answers in JSON or as events, following as events; the document names each media type."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    run, follow = paths["/v1/executions"]["post"], paths["/v1/executions/{execution_id}/events"]["get"]
    assert set(run["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(follow["responses"]["200"]["content"]) == {"text/event-stream"}
    assert {each["name"] for each in follow["parameters"]} == {"execution_id", "after", "last-event-id"}


async def test_the_examples_are_taken(client):
    """What the document shows as an example is a request that the service takes."""
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    taken = (
        ("/v1/executions", "ExecutionRequest", {"policy": "data"}),
        ("/v1/validate", "ValidationRequest", {"policy": "data"}),
        ("/v1/sessions", "SessionRequest", {"policy": "data", "id": "mine"}),
        ("/v1/sessions/mine/renew", "RenewalRequest", {}),
    )
    for path, name, own in taken:
        for example in schemas[name]["examples"]:
            answer = await client.post(path, json={**example, **own})
            assert answer.is_success, answer.text


async def test_a_key_is_in_the_document_only_where_one_is_needed(host, running_host, state_dir):
    """Security is stated where keys are set, and nowhere else."""
    assert "securitySchemes" not in create_app(host=host).openapi()["components"]
    async with running_host(server__api_keys=["k"], state_dir=str(state_dir / "other")) as guarded:
        document = create_app(host=guarded).openapi()
    assert document["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert document["paths"]["/v1/executions"]["post"]["security"] == [{"key": []}]
    assert "security" not in document["paths"]["/livez"]["get"]


async def test_the_page_loads_nothing_from_elsewhere(client):
    """/docs and its script name no other host, and the page may reach none."""
    page, script = await client.get("/docs"), await client.get("/docs.js")
    assert (page.status_code, script.status_code) == (200, 200)
    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text.replace("<!-- -->", "")
    assert "http" not in script.text.replace("https", "http").replace("HTTP", "")
    assert "default-src 'none'" in page.headers["content-security-policy"]
