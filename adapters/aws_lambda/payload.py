"""What goes to a function: the runner's setup and its job as one JSON text, of which Lambda takes 6 MB."""

import base64
import json
import zlib

from host.models import ExecutionRequest

__all__ = ["MOST_BYTES", "made", "surely_fits"]

MOST_BYTES = 6_291_456
"""A payload has to be smaller."""

_WORTH_PACKING = 256 << 10
_QUICKLY = 1
_OWN = 200_000  # the filter, limits, policy's variables: all but code, inputs and files
_WIDEST = 12  # bytes of JSON for one character


def made(setup: str, job: bytes) -> bytes:
    """The payload of one invocation. A large job is compressed: it has a way to go."""
    head = b'{"v":1,"setup":' + json.dumps(setup).encode("ascii")
    if len(job) < _WORTH_PACKING:
        return head + b',"job":' + job + b"}"
    return head + b',"packed":"' + base64.b64encode(zlib.compress(job, _QUICKLY)) + b'"}'


def surely_fits(request: ExecutionRequest) -> bool:
    """Whether that can be told without making the payload."""
    frame = _WIDEST * len(request.code) + len(request.inputs_wire)
    files = sum(len(file.content) + len(file.path) * _WIDEST for file in request.files)
    return _OWN + (frame + files) * 4 // 3 < MOST_BYTES
