"""What a program showed, as a file over HTTP: any bytes under any name may come from it, and none of it may do harm."""

import base64

import pytest

from host.displays import CHART
from host.hookspecs import hookimpl
from host.policy import Policy, Retain

PIXEL = base64.b64encode(b"\x89PNG").decode("ascii")
FIGURE = {"image/png": PIXEL, "image/svg+xml": "<svg/>", CHART: "{}", "text/plain": "é"}
BROWSER = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.fixture
def show(client):
    """Run a program that shows things, and give the function that gets one of them."""

    async def showing(*things):
        inputs = {f"n{number}": thing for number, thing in enumerate(things)}
        ran = await client.post("/v1/executions", json={"code": "show", "policy": "data", "inputs": inputs})
        assert ran.json()["status"] == "succeeded", ran.text
        address = f"/v1/executions/{ran.json()['id']}/displays"

        async def get(number=0, accept=None, **query):
            headers = {} if accept is None else {"Accept": accept}
            return await client.get(f"{address}/{number}", params=query, headers=headers)

        return get

    return showing


async def test_a_form_comes_as_the_file_that_it_is(show):
    """Each form is served with its own type and content, bytes as bytes and text in UTF-8."""
    get = await show({"text/plain": "other"}, FIGURE)
    picture = await get(1, mime="image/png")
    assert (picture.status_code, picture.headers["content-type"], picture.content) == (200, "image/png", b"\x89PNG")
    assert picture.headers["content-disposition"] == 'inline; filename="display-1.png"'
    text = await get(1, mime="TEXT/plain")
    assert (text.headers["content-type"], text.content) == ("text/plain; charset=utf-8", "é".encode())
    chart = await get(1, mime=CHART)
    assert (chart.headers["content-type"], chart.json()) == (f"{CHART}; charset=utf-8", {})
    assert chart.headers["content-disposition"] == 'inline; filename="display-1.chart.json"'


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "image/svg+xml"),
        ("*/*", "image/svg+xml"),
        ("image/png", "image/png"),
        ("image/*", "image/svg+xml"),
        ("image/svg+xml;q=0.2, image/png;q=0.7", "image/png"),
        ("image/*;q=0.9, image/svg+xml;q=0", "image/png"),
        ("text/*, image/*;q=0.1", "text/plain"),
        ("text/html", "image/svg+xml"),
        ("image/png;q=x, text/plain;q=0.1", "text/plain"),
        ("nonsense", "image/svg+xml"),
        (BROWSER, "image/svg+xml"),
    ],
)
async def test_accept_chooses_the_form(show, accept, form):
    """Without a form by name the caller's preference counts; where nothing fits, the richest form is given."""
    answer = await (await show(FIGURE))(accept=accept)
    assert answer.headers["content-type"].partition(";")[0] == form


@pytest.mark.parametrize(
    ("mime", "query", "served", "disposition"),
    [
        ("text/html", {}, "text/html", "attachment"),
        ("text/html", {"inline": "true"}, "text/html", "inline"),
        ("image/svg+xml", {}, "image/svg+xml", "attachment"),
        ("image/svg+xml", {"inline": "true"}, "image/svg+xml", "inline"),
        ("text/javascript", {"inline": "true"}, "application/octet-stream", "attachment"),
        ("text/css", {}, "application/octet-stream", "attachment"),
        ("application/xhtml+xml", {"inline": "true"}, "application/octet-stream", "attachment"),
        ("application/pdf", {"inline": "true"}, "application/octet-stream", "attachment"),
        ("application/x-shockwave-flash", {}, "application/octet-stream", "attachment"),
        ("image/x-own", {}, "application/octet-stream", "attachment"),
        ("multipart/x-mixed-replace", {}, "application/octet-stream", "attachment"),
        ("application/vnd.own+json", {}, "application/vnd.own+json", "inline"),
    ],
)
async def test_nothing_that_is_served_can_run(show, mime, query, served, disposition):
    """Whatever type it claims, it comes without a right to run, load or be framed; pages are downloads unless asked."""
    answer = await (await show({mime: "AAAA"}))(**query)
    assert answer.headers["content-type"].partition(";")[0] == served
    assert answer.headers["content-disposition"].partition(";")[0] == disposition
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"sandbox", "default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"} <= set(policy)
    assert not any("script" in each or "allow-" in each for each in policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_what_is_not_there_is_said(show, client):
    """No such execution, number or form is a 404 with its reason."""
    get = await show(FIGURE)
    for answer, kind in (
        (await get(1), "unknown-display"),
        (await get(0, mime="text/html"), "unknown-display"),
        (await client.get("/v1/executions/nothing/displays/0"), "unknown-execution"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, f"urn:understudy:problem:{kind}")
        assert answer.json()["detail"]
    assert (await get(-1)).status_code == (await get(100)).status_code == 422


class Private:
    """A plugin with a policy under which nothing is kept."""

    @hookimpl
    def named_policies(self, settings):
        yield Policy(name="private", retain=Retain(outputs=False))


async def test_what_was_not_kept_is_said(running_host, client_of):
    """Where the policy keeps no outputs there is nothing to get, and the answer says so."""
    async with running_host(extra_plugins={"private": Private()}) as host, client_of(host) as client:
        body = {"code": "show", "policy": "private", "inputs": {"x": {"text/plain": "x"}}}
        ran = (await client.post("/v1/executions", json=body)).json()
        assert ran["displays"]
        answer = await client.get(f"/v1/executions/{ran['id']}/displays/0")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"the record of '{ran['id']}' has no outputs.")
