"""What the engine's client library raises, as our own error.

No exception of aiodocker or aiohttp leaves this adapter. What an error *is* follows from its class and what the engine
said; what it *means* for the run follows from where it happened: nothing of the caller's has run while a container is
made, and a connection that breaks while a program runs leaves nobody to say how it ended.
"""

import asyncio
import json
import re
import ssl
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Literal, NamedTuple

import aiohttp
from aiodocker import exceptions as docker
from aiohttp import client_exceptions as client
from aiohttp import http_exceptions as http

from host.errors import AdapterError

__all__ = ["ENGINE_ERRORS", "KINDS", "Kind", "Phase", "as_adapter_error", "clean", "translating"]

Phase = Literal["creating", "running", "probing", "removing"]
"""Where it happened: before the program, with it, in a look at the engine, or after the program."""

Kind = Literal["said", "unreachable", "cut", "late", "garbled", "configuration", "closed"]
"""
============= ========================================================================================================
said          the engine answered and refused; its status and words tell why
unreachable   nobody took the connection; nothing was sent
cut           the connection broke on the way, and nobody knows what the engine did
late          no answer in time, and nobody knows what the engine did
garbled       what came is no answer of a container engine
configuration the address, the context or the certificates are wrong
closed        our own side has closed the connection
============= ========================================================================================================
"""

KINDS: Mapping[type[BaseException], Kind] = MappingProxyType(
    {
        docker.DockerError: "said",
        docker.DockerContainerError: "said",
        docker.DockerStreamError: "said",
        docker.DockerContextError: "configuration",
        docker.DockerContextInvalidError: "configuration",
        docker.DockerContextTLSError: "configuration",
        aiohttp.ClientError: "cut",
        aiohttp.ClientResponseError: "garbled",
        aiohttp.ContentTypeError: "garbled",
        aiohttp.WSServerHandshakeError: "garbled",
        aiohttp.ClientHttpProxyError: "configuration",
        aiohttp.TooManyRedirects: "garbled",
        aiohttp.ClientConnectionError: "cut",
        aiohttp.ClientConnectionResetError: "cut",
        aiohttp.ClientOSError: "cut",
        aiohttp.ClientConnectorError: "unreachable",
        aiohttp.ClientConnectorDNSError: "unreachable",
        aiohttp.ClientProxyConnectionError: "unreachable",
        client.UnixClientConnectorError: "unreachable",
        aiohttp.ServerConnectionError: "cut",
        aiohttp.ServerDisconnectedError: "cut",
        aiohttp.ServerTimeoutError: "late",
        aiohttp.ConnectionTimeoutError: "unreachable",
        aiohttp.SocketTimeoutError: "late",
        aiohttp.ServerFingerprintMismatch: "configuration",
        aiohttp.ClientPayloadError: "cut",
        aiohttp.UploadAbortedError: "cut",
        aiohttp.InvalidURL: "configuration",
        aiohttp.InvalidUrlClientError: "configuration",
        aiohttp.RedirectClientError: "garbled",
        aiohttp.NonHttpUrlClientError: "configuration",
        aiohttp.InvalidUrlRedirectClientError: "garbled",
        aiohttp.NonHttpUrlRedirectClientError: "garbled",
        aiohttp.ClientSSLError: "configuration",
        aiohttp.ClientConnectorSSLError: "configuration",
        aiohttp.ClientConnectorCertificateError: "configuration",
        aiohttp.WSMessageTypeError: "garbled",
        aiohttp.WebSocketError: "garbled",
        aiohttp.EofStream: "cut",
        http.HttpProcessingError: "garbled",
        http.BadHttpMessage: "garbled",
        http.HttpBadRequest: "garbled",
        http.PayloadEncodingError: "garbled",
        http.ContentEncodingError: "garbled",
        http.TransferEncodingError: "cut",
        http.ContentLengthError: "cut",
        http.DecompressSizeError: "garbled",
        http.LineTooLong: "garbled",
        http.InvalidHeader: "garbled",
        http.BadStatusLine: "garbled",
        http.BadHttpMethod: "garbled",
        http.InvalidURLError: "garbled",
        TimeoutError: "late",
        asyncio.IncompleteReadError: "cut",
        EOFError: "cut",
        ssl.SSLError: "configuration",
        FileNotFoundError: "unreachable",
        PermissionError: "unreachable",
        ConnectionRefusedError: "unreachable",
        ConnectionError: "cut",
        OSError: "cut",
        tarfile.TarError: "garbled",
        json.JSONDecodeError: "garbled",
        # What the library raises for answers that it did not expect, and for connections that it has lost.
        ValueError: "garbled",
        TypeError: "garbled",
        LookupError: "garbled",
        AssertionError: "closed",
        RuntimeError: "closed",
    }
)
"""Every class that the libraries raise. One that is not named here counts as the nearest that it derives from."""

ENGINE_ERRORS: tuple[type[Exception], ...] = (
    docker.DockerError,
    aiohttp.ClientError,
    aiohttp.WebSocketError,
    aiohttp.EofStream,
    http.HttpProcessingError,
    tarfile.TarError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AssertionError,
    RuntimeError,
)
"""For ``except``: all of the above."""

_CANNOT_CONNECT = 900  # aiodocker's own status, for which there was no answer at all


class _Verdict(NamedTuple):
    reason: str
    remedy: str
    retryable: bool
    lost: bool
    """Nobody knows what became of what the engine was asked for."""


def as_adapter_error(error: BaseException, phase: Phase, what: str = "") -> AdapterError:
    """``error`` as one of ours. One that is ours already is itself.

    Args:
        error: what was raised.
        phase: where.
        what: the thing that the engine was asked about, as "image understudy-guest-python:1a2b".
    """
    if isinstance(error, AdapterError):
        return error
    verdict = _verdict(error)
    runs = phase in ("running", "removing")
    about = f"{what}: " if what else ""
    return AdapterError(
        f"{about}{verdict.reason}",
        remedy=verdict.remedy,
        retryable=verdict.retryable,
        may_have_started=runs,
        lost=phase == "running" and verdict.lost,
    )


@contextmanager
def translating(phase: Phase, what: str = "") -> Iterator[None]:
    """Whatever the libraries raise in this block leaves it as ``AdapterError``."""
    try:
        yield
    except ENGINE_ERRORS as error:
        raise as_adapter_error(error, phase, what) from error


def kind_of(error: BaseException) -> Kind:
    """What sort of failure it is."""
    found: Kind = next((KINDS[each] for each in type(error).__mro__ if each in KINDS), "garbled")
    if isinstance(error, docker.DockerError) and found == "said":
        return "unreachable" if error.status == _CANNOT_CONNECT else "said"
    return found


def _verdict(error: BaseException) -> _Verdict:
    kind = kind_of(error)
    words = clean(_words(error))
    if kind == "said" and isinstance(error, docker.DockerError):
        return _said(error.status, words)
    return {
        "unreachable": _Verdict(f"the container engine cannot be reached ({words})", _START, retryable=True, lost=True),
        "cut": _Verdict(f"the connection to the container engine broke ({words})", _START, retryable=True, lost=True),
        "late": _Verdict(
            "the container engine did not answer in time",
            "See how busy its machine is, or raise adapters.container.engine_timeout_ms.",
            retryable=True,
            lost=True,
        ),
        "garbled": _Verdict(
            f"what answers is no container engine that we understand ({words})",
            "Set adapters.container.host to the address of Docker or Podman.",
            retryable=False,
            lost=True,
        ),
        "configuration": _Verdict(
            f"the way to the container engine is set up wrong ({words})",
            "Mend DOCKER_HOST, adapters.container.host or the certificates in DOCKER_CERT_PATH.",
            retryable=False,
            lost=True,
        ),
        "closed": _Verdict("the connection to the container engine was closed", _START, retryable=True, lost=True),
    }[kind]


_START = "See that it runs: `docker info` or `podman info`, and `understudy doctor`."
_REGISTER = (
    "Register it with the engine: a `runtimes` entry in /etc/docker/daemon.json, then restart it. `understudy doctor` "
    "has the command."
)
_GROUPS = "See that the engine may make control groups: `docker info` shows its cgroup driver and version."
_LOG = "The engine's log has more: `journalctl -u docker`."

# What the engine's words mean, whatever its status; the first that fits counts. Words, remedy, retryable.
_MEANINGS: tuple[tuple[re.Pattern[str], str, bool], ...] = tuple(
    (re.compile(words, re.IGNORECASE), remedy, retryable)
    for words, remedy, retryable in (
        (
            r"client version \S+ is too (new|old)|minimum supported api version",
            "Use an engine of Docker 20.10 or Podman 4, or later.",
            False,
        ),
        (r"unknown runtime|no such runtime|unknown or invalid runtime|runtime \S+ (is )?not found", _REGISTER, False),
        (r"no such image|manifest unknown|image not known", "Build it: understudy image build.", False),
        (
            r"toomanyrequests|rate limit",
            "The registry lets nobody fetch more for now; log in to it, or wait.",
            True,
        ),
        (
            r"unauthorized|authentication required|no basic auth|access denied|denied:|insufficient_scope",
            "Log in to the registry with `docker login`, as somebody who may write there.",
            False,
        ),
        (
            r"repository name .*must be|invalid reference format",
            "Give a name in lower case, as registry.example/team.",
            False,
        ),
        (
            r"no space left|disk quota",
            "Make room on the engine's disk: `docker image prune`.",
            True,
        ),
        (r"cannot allocate memory|out of memory", "Give the engine's machine more memory, or run less.", True),
        (r"seccomp", "Set adapters.container.seccomp to `unconfined` if it is not.", False),
        (r"setrlimit", "Raise the limits that the engine itself runs with, or lower default_ulimits of it.", False),
        (r"cgroup", _GROUPS, False),
        (
            r"exec: .*no such file|executable file not found|exec format error",
            "The image is not for this machine: understudy image build.",
            False,
        ),
        (
            r"no such host|dial tcp|connection refused|i/o timeout|tls handshake|x509",
            "The engine cannot reach the registry; see its network, name and certificate.",
            True,
        ),
        (r"oci runtime|shim|containerd|task", _LOG, True),
    )
)
_BY_STATUS: Mapping[int, tuple[str, bool]] = {
    400: ("This version of the engine does not take what it was asked; use Docker 20.10 or Podman 4, or later.", False),
    401: ("Log in to the registry with `docker login`.", False),
    403: ("A plugin of the engine or the registry forbids it; ask whoever runs it.", False),
    404: ("Somebody else removed it. See `docker ps --all` and `understudy image list`.", True),
    409: ("Something else is being done with it at this moment.", True),
    429: ("It asks for patience.", True),
    503: (_LOG, True),
}


def _said(status: int, words: str) -> _Verdict:
    remedy, retryable = next(
        ((remedy, again) for pattern, remedy, again in _MEANINGS if pattern.search(words)),
        _BY_STATUS.get(status, (_LOG, status >= 500)),
    )
    # 404 and 409 in mid-run: the container went from under the program, and took its end with it.
    return _Verdict(
        f"the container engine refused: {words}", remedy, retryable, lost=status in (0, 404, 409) or status >= 500
    )


_MOST_WORDS = 600
_SECRETS = (
    (re.compile(r"(://)[^/@\s\"']+@"), r"\1***@"),
    (re.compile(r"\b(bearer|basic)\s+[\w+/=.~-]+", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(
            r"""(["']?(?:x-registry-auth|x-registry-config|authorization|auth|pass(?:word|wd)?|\w*token|secret|"""
            r"""signature|x-amz-\w+|credential)["']?\s*[:=]\s*["']?)(?!\s*(?:bearer|basic)\s\*)[^"'&\s,}]+""",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*)*={0,2}"), "***"),  # JSON in base64: a token, or what we log in with
)


def clean(words: str) -> str:
    """``words`` on one line, of ordinary length, without anything that opens a registry."""
    for pattern, instead in _SECRETS:
        words = pattern.sub(instead, words)
    words = " ".join("".join(each if each.isprintable() else " " for each in words).split())
    return words if len(words) <= _MOST_WORDS else words[:_MOST_WORDS] + "..."


def _words(error: BaseException) -> str:
    if isinstance(error, docker.DockerError) and error.status != _CANNOT_CONNECT:
        return str(error.message) or "it gave no reason"
    each: BaseException | None = error
    while each is not None:  # the system's own words say it best
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
        each = each.__cause__ or each.__context__
    return str(error) or type(error).__name__
