"""Running the service: listen, serve, and stop without losing a record."""

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import Callable, Mapping
from types import FrameType

import uvicorn

from host.errors import ConfigurationError, StoreError
from host.events import get_logger
from host.host import Host, build_host
from host.http.app import create_app
from host.http.guard import refuse_open_door
from host.http.protocol import Protocol
from host.loop import new_event_loop
from host.settings import ServerSettings, Settings

__all__ = ["run", "serve"]

_PURGE_EVERY_S = 3600
_BACKLOG = 2048
_BACKSTOP_S = 5
"""How long past the grace a client may take to read its answer."""

_log = get_logger("understudy.server")


def serve(
    settings: Settings,
    *,
    plugins: Mapping[str, object] | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """``run`` as all that this process does: on uvloop where it is there, which takes a fifth less time for a request,
    and without the pauses in which the collector looks once more at what was made for good at the start.
    """

    def ready(url: str) -> None:
        gc.collect()
        gc.freeze()
        if on_ready is not None:
            on_ready(url)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run(settings, plugins=plugins, on_ready=ready))


async def run(
    settings: Settings,
    *,
    plugins: Mapping[str, object] | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Then nothing new is accepted; what runs may go on for ``server.shutdown_grace_ms``, the rest is stopped and recorded
    as cancelled, and every caller gets its answer. A second signal ends the grace at once.

    Args:
        settings: all settings.
        plugins: more plugins by name, as ``build_host`` takes them.
        on_ready: called with the address once the service answers.

    Raises:
        ConfigurationError: the address cannot be listened on, or would let anyone run code.
    """
    refuse_open_door(settings.server)
    listener = _listen(settings.server)
    url = _url(settings.server.host, listener.getsockname()[1])
    with contextlib.closing(listener):
        async with build_host(settings, plugins=plugins) as host:
            upkeep = asyncio.create_task(_purge_now_and_then(host))
            server = _Server(_configuration(host), host, lambda: _announce(url, host, on_ready))
            try:
                await server.serve(sockets=[listener])
            finally:
                upkeep.cancel()


def _configuration(host: Host) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(host=host),
        log_config=None,  # logs are set up already
        log_level=logging.WARNING,  # what it says beside faults, the lines below say too
        access_log=False,  # every execution has its record
        proxy_headers=False,  # nobody's word is taken for who calls
        server_header=False,
        http=Protocol,
        ws="none",
        timeout_graceful_shutdown=host.settings.server.shutdown_grace_ms // 1000 + _BACKSTOP_S,
    )


class _Server(uvicorn.Server):
    """Uvicorn, which closes the host while it waits for the last answers, and ends with exit code 0."""

    def __init__(self, config: uvicorn.Config, host: Host, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._host = host
        self._announce = announce
        self._hurry: asyncio.Event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self._loop.call_soon_threadsafe(self._hurry.set)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _log.info("stopping", running=len(self._host.running))
        for server in self.servers:  # before the host closes: who comes now finds nobody, not a refusal
            server.close()
        closing = asyncio.create_task(self._host.aclose())
        hurrying = asyncio.create_task(self._stop_all_when_told())
        try:
            await super().shutdown(sockets)
            await closing
        finally:
            hurrying.cancel()
        _log.info("stopped")

    async def _stop_all_when_told(self) -> None:
        await self._hurry.wait()
        because = "The service was told twice to stop."
        await asyncio.gather(*(self._host.cancel(name, because) for name in self._host.running))


def _listen(server: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    # asyncio sends without delay only on sockets that name their protocol; else every answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((server.host, server.port))
        listener.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) else "no such name"
        raise ConfigurationError(
            f"{server.host} port {server.port} cannot be listened on: {why}.",
            remedy="Set server.port to a free port (0 picks one), and server.host to an address of this machine.",
        ) from None
    return listener


def _url(name: str, port: int) -> str:
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _announce(url: str, host: Host, on_ready: Callable[[str], None] | None) -> None:
    _log.info("serving", url=url, docs=f"{url}/docs", adapters=host.switchboard.current)
    if on_ready is not None:
        on_ready(url)


async def _purge_now_and_then(host: Host) -> None:
    """Remove what the policies let the store keep no longer."""
    while True:
        try:
            emptied = await host.store.purge()
        except StoreError as error:
            _log.error("purge_failed", reason=str(error))
        else:
            if emptied:
                _log.info("purged", executions=emptied)
        await asyncio.sleep(_PURGE_EVERY_S)
