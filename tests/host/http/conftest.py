"""A host with an adapter that does what its code says, and the service in front of it: in this process, or in one of
its own.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from host import build_host
from host.http.app import create_app

SERVICE = Path(__file__).with_name("service.py")
_spec = importlib.util.spec_from_file_location("understudy_test_service", SERVICE)
service = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(service)


@pytest.fixture
def scripted():
    """The adapter behind the service."""
    return service.Scripted()


@pytest.fixture
def running_host(state_dir, scripted):
    """Builds a host that runs everything on the scripted adapter; takes further settings."""

    def build(*, extra_plugins=None, **overrides):
        return build_host(
            plugins={"rules": service.Rules(scripted), **(extra_plugins or {})},
            **{**service.ONLY_SCRIPTED, "state_dir": str(state_dir), **overrides},
        )

    return build


@pytest.fixture
async def host(running_host):
    """A running host."""
    async with running_host() as host:
        yield host


def caller(app, **options):
    """A client of an application in this process."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://127.0.0.1:8700", **options
    )


@pytest.fixture
def client_of():
    """The function that makes a client of a host's service in this process."""
    return lambda host: caller(create_app(host=host))


@pytest.fixture
async def client(host):
    """A client of the service."""
    async with caller(create_app(host=host)) as client:
        yield client


@pytest.fixture
def served(tmp_path):
    """The service as a process of its own, started with settings; gives the process and its address."""

    @contextlib.contextmanager
    def start(*settings, state_dir=None):
        command = [sys.executable, str(SERVICE), str(state_dir or tmp_path / "served"), *settings]
        folder = Path(__file__).parents[3]
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        log = (tmp_path / "service.log").open("ab")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=folder)
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http"), (tmp_path / "service.log").read_text()
            yield process, url
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            log.close()

    return start
