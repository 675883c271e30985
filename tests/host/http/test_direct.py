"""The short way answers as the long way does, and leaves to FastAPI what is not quite a marked route."""

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from host.http.app import create_app


def caller(app, **options):
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", **options)


async def test_a_program_is_run_without_fastapi(host):
    """With FastAPI's own routes gone, a program is run all the same, and an error is still a problem."""
    app = create_app(host=host)
    app.router.routes.clear()
    async with caller(app) as client:
        ran = await client.post("/v1/executions", json={"code": "1 + 1"})
        refused = await client.post("/v1/executions", json={"code": "1 + 1", "policy": "nope"})
        other = await client.get("/v1/executions")
    assert (ran.status_code, ran.json()["adapter"]) == (200, "scripted")
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:understudy:problem:unknown-policy")
    assert other.status_code == 404


async def test_the_document_still_tells_of_it(host):
    """The route stands in OpenAPI with its body, its answer and its problems."""
    async with caller(create_app(host=host)) as client:
        document = (await client.get("/openapi.json")).json()
    told = document["paths"]["/v1/executions"]["post"]
    assert {"200", "422", "503"} <= set(told["responses"])
    assert "application/json" in told["requestBody"]["content"]


async def test_a_service_below_another_address_takes_the_long_way(host):
    """Mounted in another application, where paths begin differently, a program is run too."""
    app = create_app(host=host)
    async with caller(Starlette(routes=[Mount("/code", app=app)])) as client:
        ran = await client.post("/code/v1/executions", json={"code": "1 + 1"})
    assert (ran.status_code, ran.json()["adapter"]) == (200, "scripted")
