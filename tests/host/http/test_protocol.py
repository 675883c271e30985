"""What comes before a body has an end, and what is no HTTP is answered with a problem."""

import asyncio
import itertools
import json

import httpx
import pytest

ENDLESS = {
    "request line": (b"GET /", b"x" * 1000),
    "one header": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: ", b"x" * 1000),
    "many headers": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", b"A: x\r\n" * 100),
    "trailers": (
        b"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        b"A: x\r\n" * 100,
    ),
}


async def exchange(url, pieces):
    """Send pieces until the service answers or they come to an end; its whole answer."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    answer = asyncio.ensure_future(reader.read())
    try:
        for piece in pieces:
            if answer.done():
                break
            writer.write(piece)
            await writer.drain()
    except ConnectionError:  # it has answered and closed
        pass
    try:
        return await answer
    finally:
        writer.close()


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_goes_on_without_end_is_refused(served, kind):
    """A request line, a header, headers or trailers that never end are 431, and the service goes on."""
    begin, more = ENDLESS[kind]
    with served() as (_, url):
        try:
            answer = await exchange(url, itertools.chain([begin], itertools.repeat(more)))
        except ConnectionError:  # it closed while more was on its way, so that the answer is lost
            answer = b""
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/livez")).status_code == 200
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


async def test_what_is_no_http_is_a_problem(served):
    """Bytes that are no HTTP are answered with 400 as a problem document, and the connection ends."""
    with served() as (_, url):
        head, _, body = (await exchange(url, [b"nonsense\r\n\r\n"])).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["type"] == "urn:understudy:problem:bad-request"


async def test_headers_in_pieces_and_a_long_body_are_let_in(served):
    """Headers that come byte by byte and a body of a megabyte after them are an ordinary request."""
    body = json.dumps({"code": "# " + "x" * 1_000_000}).encode()
    head = f"POST /v1/validate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n" + "A: " + "x" * 30_000 + "\r\n\r\n"
    pieces = [head[at : at + 1000].encode() for at in range(0, len(head), 1000)]
    with served() as (_, url):
        answer = await exchange(url, [*pieces, body])
    assert answer.startswith(b"HTTP/1.1 200 ")
