"""Finding the container engine, and connecting to it."""

import os
import shutil
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiodocker
import aiohttp

from adapters.container.errors import ENGINE_ERRORS, as_adapter_error, clean
from adapters.container.settings import ContainerSettings
from host.errors import AdapterError
from host.settings import engine_variables

__all__ = ["Client", "addresses", "connect", "greet"]

_OLDEST_API = (1, 40)
"""Docker 19.03 and Podman 3 speak it."""

_CONNECT_S = 5.0
_INSTALL = (
    "Install one: apt-get install docker.io (Debian, Ubuntu), dnf install podman (Fedora), or "
    "https://docs.docker.com/engine/install/"
)
_START = (
    "Start it: systemctl start docker; for Podman systemctl --user start podman.socket; on macOS open Docker Desktop."
)
_ELSEWHERE = "Or say where it is, in adapters.container.host or DOCKER_HOST."
_LET_IN = (
    "sudo usermod -aG docker $USER and log in anew (a member of the group docker is as good as root on there), or "
    "use an engine of your own: dockerd-rootless-setuptool.sh install, or Podman."
)


class Client(aiodocker.Docker):
    """The library's client, with a connector of ours: each container that waits holds a connection, so it has no limit.

    Args:
        address: of the engine, as it may be shown.
        url: as the library takes it.
        connector: the way there.
        timeout: for calls that name none.
    """

    def __init__(
        self, address: str, url: str, connector: aiohttp.BaseConnector, timeout: aiohttp.ClientTimeout
    ) -> None:
        super().__init__(url=url, connector=connector, timeout=timeout)
        self.address = address

    async def close(self) -> None:
        """Let go of the engine."""
        await super().close()
        await self.connector.close()


def addresses(host: str = "", variables: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Where an engine may be, the likeliest first.

    Args:
        host: the setting ``adapters.container.host``; where it is given there is no other.
        variables: the environment; by default the process's own.
    """
    given = engine_variables() if variables is None else variables
    named = host or given.get("DOCKER_HOST", "")
    if named:
        return (named,)
    run = given.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    sockets = (
        "/var/run/docker.sock",
        f"{run}/docker.sock",
        f"{Path.home()}/.docker/run/docker.sock",
        f"{run}/podman/podman.sock",
        "/run/podman/podman.sock",
    )
    return tuple(f"unix://{path}" for path in sockets)


def connect(settings: ContainerSettings, variables: Mapping[str, str] | None = None) -> Client:
    """A client of the engine that is there. Whoever gets it closes it. Needs a running event loop.

    Args:
        settings: of them ``host`` and ``engine_timeout_ms``.
        variables: as for ``addresses``.

    Raises:
        AdapterError: there is none, it does not run, or this user may not use it; the remedy says what to do.
    """
    given = engine_variables() if variables is None else variables
    named = bool(settings.host or given.get("DOCKER_HOST"))
    silent: list[str] = []
    for address in addresses(settings.host, given):
        try:
            if address.startswith("unix://"):
                _knock(address.removeprefix("unix://"))
        except PermissionError as error:
            raise AdapterError(
                f"this user may not use the socket of the container engine, {clean(address)}",
                remedy=_LET_IN,
                may_have_started=False,
            ) from error
        except OSError as error:
            if named:
                raise _not_there(address, error) from error
            if not isinstance(error, FileNotFoundError):
                silent.append(address)
            continue
        return _client(address, given, settings.engine_timeout_ms / 1000)
    raise _absent(silent)


async def greet(docker: aiodocker.Docker) -> str:
    """The version of the API that the engine speaks, as "1.41".

    Raises:
        AdapterError: it does not answer, is no engine, or is too old.
    """
    about = f"the engine at {docker.address}" if isinstance(docker, Client) else ""
    try:
        spoken = str((await docker.version())["ApiVersion"])
        numbers = tuple(int(part) for part in spoken.split(".")[:2])
    except ENGINE_ERRORS as error:
        raise as_adapter_error(error, "probing", about) from error
    if numbers < _OLDEST_API:
        raise AdapterError(
            f"{about or 'the engine'} speaks version {spoken} of the Engine API, and 1.40 is the oldest that will do",
            remedy="Upgrade it to Docker 20.10 or Podman 4, or later.",
            may_have_started=False,
        )
    return spoken


def _knock(path: str) -> None:
    """Connect to a socket, and hang up.

    Raises:
        OSError: nobody is there, or it is shut to us.
    """
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.settimeout(_CONNECT_S)
        knocking.connect(path)


def _client(address: str, variables: Mapping[str, str], timeout_s: float) -> Client:
    """A client for that address, which has not connected yet.

    Raises:
        AdapterError: the address or the certificates cannot be used.
    """
    parts = urlsplit(address)
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
    connector: aiohttp.BaseConnector
    if parts.scheme == "unix":
        connector, url = aiohttp.UnixConnector(parts.path, limit=0, force_close=True), "unix://localhost"
    elif parts.scheme in ("tcp", "http", "https") and parts.hostname:
        secured = parts.scheme == "https" or variables.get("DOCKER_TLS_VERIFY", "") not in ("", "0")
        scheme, port = ("https", 2376) if secured else ("http", 2375)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        url = f"{scheme}://{host}:{parts.port or port}"
        connector = aiohttp.TCPConnector(ssl=_certificates(variables) if secured else False, limit=0)
    else:
        raise AdapterError(
            f"{clean(address)!r} is no address of a container engine",
            remedy="Give unix:///var/run/docker.sock or tcp://HOST:2376. An engine behind SSH is reached through "
            "`ssh -L /tmp/docker.sock:/var/run/docker.sock HOST`.",
            may_have_started=False,
        )
    return Client(clean(address), url, connector, timeout)


def _certificates(variables: Mapping[str, str]) -> ssl.SSLContext:
    folder = Path(variables.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise AdapterError(
            f"the certificates for the container engine in {folder} cannot be used: {error}",
            remedy="Put ca.pem, cert.pem and key.pem there, or name another folder in DOCKER_CERT_PATH.",
            may_have_started=False,
        ) from error
    return context


def _not_there(address: str, error: OSError) -> AdapterError:
    return AdapterError(
        f"no container engine answers at {clean(address)}: {error.strerror or error}",
        remedy=f"{_START} {_ELSEWHERE}",
        retryable=True,
        may_have_started=False,
    )


def _absent(silent: Sequence[str]) -> AdapterError:
    if silent or any(shutil.which(name) for name in ("dockerd", "docker", "podman")):
        where = f": nobody answers at {', '.join(silent)}" if silent else ""
        return AdapterError(
            f"no container engine is running{where}",
            remedy=f"{_START} {_ELSEWHERE}",
            retryable=True,
            may_have_started=False,
        )
    return AdapterError("no container engine is installed", remedy=f"{_INSTALL} {_ELSEWHERE}", may_have_started=False)
