"""The OpenAPI document tells the truth: schemathesis tries the running service against it, with every check it has."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest


@pytest.mark.parametrize("keys", ["without keys", "with keys"])
def test_schemathesis_finds_nothing(served, tmp_path, keys):
    """What the document calls valid is taken, what it calls invalid is refused, and every answer is as it says."""
    with_keys = ["server.api_keys=a-key-of-the-test"] if keys == "with keys" else []
    headers = {"Authorization": "Bearer a-key-of-the-test"} if with_keys else {}
    with served(*with_keys) as (_, url):
        options = ["--checks", "all", "--max-examples", "12" if with_keys else "40", "--seed", "7", "--no-color"]
        sent = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", *options, *sent]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=110, check=False)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert httpx.get(f"{url}/health", headers=headers).status_code == 200
