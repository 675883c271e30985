"""The door of one MicroVM: its own HTTPS address, which AWS opens for whoever brings a token.

What is asked with GET may be asked again. A POST is sent once, and whatever goes wrong with it says what became of it.
"""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from adapters.aws.redaction import redacted, shortened
from adapters.lambda_microvm.facts import Facts, NotOurs
from adapters.lambda_microvm.service import PORT
from host.errors import AdapterError, SessionLost

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Door", "NotYet", "Pieces"]

_CONNECT_S = 10.0
_READY_S = 10.0
_REST_S = 1.0
_SILENCE_S = 45.0
"""The server says something every ten seconds; a connection that says nothing for so long is lost."""
_MOST_BYTES = 64 << 10
_REFUSALS = {
    401: "its door does not take our token",
    403: "its door does not take our token",
    404: "its server is another one than ours",
    413: "the program is larger than it takes",
    429: "its door takes no more requests just now",
}
"""Answers to a POST that never came to a program."""
_AGAIN = frozenset({401, 403, 429})


class NotYet(Exception):
    """A MicroVM is not ready. The message says what it answered.

    Attributes:
        refused: its door did not take the token.
    """

    def __init__(self, said: str, *, refused: bool = False) -> None:
        super().__init__(said)
        self.refused = refused


class Door:
    """The way to one MicroVM.

    Args:
        microvm: its id, for errors.
        endpoint: as the service gives it: a host name or an address.
        context: whom to trust.

    Raises:
        AdapterError: the address is none that may be used.
    """

    def __init__(self, microvm: str, endpoint: str, context: ssl.SSLContext) -> None:
        address = endpoint if "://" in endpoint else f"https://{endpoint}"
        if not address.startswith("https://"):
            raise AdapterError(f"The address of {microvm} is not one of HTTPS.", may_have_started=False)
        self._microvm = microvm
        self._address = address.rstrip("/")
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def ready(self, token: str) -> Facts:
        """What the MicroVM says that it is.

        Raises:
            NotYet: it says nothing of use.
            AdapterError: what answers is not of our image.
        """
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=_READY_S, sock_connect=_CONNECT_S)
        try:
            async with self._opened().get(
                f"{self._address}/ready", headers=_headers(token), timeout=timeout, allow_redirects=False
            ) as response:
                body = await response.content.read(_MOST_BYTES)
                status, is_ours = response.status, _is_ours(response)
        except aiohttp.ClientConnectorCertificateError as error:
            raise self._untrusted(error) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotYet(_words(error)) from None
        if status != 200:
            raise NotYet(f"it answered {status}", refused=status in (401, 403))
        try:
            return Facts.read(body)
        except NotOurs as error:
            what = "of another version" if is_ours else "not ours"
            raise AdapterError(
                f"The server in MicroVM {self._microvm} is {what}: {shortened(str(error))}.",
                remedy="Deploy the image anew with `understudy deploy microvm`.",
                may_have_started=False,
            ) from None

    @asynccontextmanager
    async def post(self, path: str, body: bytes, token: str) -> AsyncIterator["Pieces"]:
        """Send something once. Leaving the block cuts the connection, unless the answer has come to its end.

        Raises:
            AdapterError: it was not taken; ``may_have_started`` says whether it may have been all the same.
            SessionLost: there is no interpreter to take it; nothing was run.
        """
        response = await self._posted(path, body, token)
        try:
            if response.status != 200:
                raise await self._refused(response, path)
            yield Pieces(response, self._microvm)
        finally:
            response.close()

    async def ask(self, path: str, token: str) -> None:
        """Send something of which no answer matters.

        Raises:
            AdapterError: it did not arrive.
        """
        async with self.post(path, b"", token):
            pass

    async def aclose(self) -> None:
        """Close every connection; none is opened any more."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._closed:
            raise AdapterError(f"MicroVM {self._microvm} is being ended.", may_have_started=False)
        if self._session is None:
            # One for each MicroVM, so that nothing stays open when it is gone.
            connector = aiohttp.TCPConnector(ssl=self._context, limit=4)
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                trust_env=True,  # proxies, as boto3 has them
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
            )
        return self._session

    async def _posted(self, path: str, body: bytes, token: str) -> "aiohttp.ClientResponse":
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        try:
            return await self._opened().post(
                f"{self._address}{path}",
                data=io.BytesIO(body),  # it goes out in pieces, and nobody else waits meanwhile
                headers=_headers(token),
                timeout=timeout,
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:  # nothing was sent
            raise AdapterError(
                f"MicroVM {self._microvm} cannot be reached: {_words(error)}.", retryable=True, may_have_started=False
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(self._microvm, _words(error)) from None

    async def _refused(self, response: "aiohttp.ClientResponse", path: str) -> Exception:
        status = response.status
        said = await _error_of(response)
        if said is not None and said.get("started") is False:
            reason = shortened(redacted(str(said.get("error", ""))))
            if path == "/command" and status in (409, 410):
                return SessionLost("its interpreter has ended", remedy="Open a new session; its variables are gone.")
            if status != 409:  # one who has its tenant may have it from us: something on the way sent us twice
                return AdapterError(
                    f"MicroVM {self._microvm} did not take the program: {reason}.",
                    retryable=status >= 500,
                    may_have_started=False,
                )
        elif status in _REFUSALS:
            return AdapterError(
                f"MicroVM {self._microvm} did not take the program: {_REFUSALS[status]} ({status}).",
                retryable=status in _AGAIN,
                may_have_started=False,
            )
        return _lost(self._microvm, f"it answered {status}")

    def _untrusted(self, error: Exception) -> AdapterError:
        return AdapterError(
            f"The certificate of MicroVM {self._microvm} is not one that we trust: {_words(error)}.",
            remedy="If a proxy stands between, set ca_bundle or AWS_CA_BUNDLE to its certificates.",
            may_have_started=False,
        )


class Pieces:
    """The pieces of an answer as they come."""

    def __init__(self, response: "aiohttp.ClientResponse", microvm: str) -> None:
        self._pieces = response.content.iter_any()
        self._microvm = microvm

    def __aiter__(self) -> "Pieces":
        return self

    async def rest(self) -> None:
        """Wait a moment for the end of the answer, after which its connection serves again."""
        with suppress(AdapterError, TimeoutError):
            async with asyncio.timeout(_REST_S):
                async for _ in self:
                    continue

    async def __anext__(self) -> bytes:
        """The next piece.

        Raises:
            AdapterError: the connection was lost.
        """
        import aiohttp

        try:
            return await anext(self._pieces)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(self._microvm, _words(error)) from None


def _headers(token: str) -> dict[str, str]:
    return {"X-aws-proxy-auth": token, "X-aws-proxy-port": str(PORT), "User-Agent": "understudy"}


def _is_ours(response: "aiohttp.ClientResponse") -> bool:
    return response.headers.get("Server", "").startswith("understudy")


async def _error_of(response: "aiohttp.ClientResponse") -> dict[str, Any] | None:
    """What our server says of a request that it did not take; None where it is not ours that answers."""
    import aiohttp

    try:
        said = json.loads(await response.content.read(_MOST_BYTES))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
    return said if isinstance(said, dict) and "started" in said else None


def _lost(microvm: str, said: str) -> AdapterError:
    return AdapterError(
        f"Sight of the program in MicroVM {microvm} was lost: {said}. The MicroVM is ended.",
        remedy="Check the network between this host and AWS.",
        retryable=True,
        lost=True,
    )


def _words(error: BaseException) -> str:
    """What went wrong, without what is secret."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return f"{type(error).__name__} {shortened(redacted(str(error)), 160)}".strip()
