"""Keeps a runner for the commands of one session, in the process in which the service runs Python: its notebook.

``executeCode`` calls ``begin`` once, and then ``obey`` for each command. Each prints a line ``understudy WORD ok SIZE``
and the runner's messages, compressed, as base64: its first FIRST characters, and ``more`` prints others; or a line
``understudy WORD trouble REASON``. WORD is the host's, new each time. Standard library only, Python 3.9 to 3.15.
"""

import base64
import subprocess
import sys
import zlib

_HEAD = 9
_runner = None
_text = ""


def begin(argv, job, word, first):
    """Start the runner, with its job in base64."""
    global _runner
    pipe = subprocess.PIPE
    _runner = subprocess.Popen(
        argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env={}, start_new_session=True, bufsize=-1
    )
    obey(job, word, first, until=b"BX")


def obey(command, word, first, until=b"DX"):
    """Give the runner a command, in base64, and print what it says until it is done."""
    global _text
    body = base64.b64decode(command)
    try:
        _runner.stdin.write(len(body).to_bytes(8, "big") + body)
        _runner.stdin.flush()
    except OSError:  # it is gone; what it has said still comes
        pass
    said = _messages(until)
    _text = base64.b64encode(zlib.compress(said, 1)).decode() if said else ""
    _print(word, "ok {}\n{}".format(len(_text), _text[:first]) if said else "trouble the interpreter is gone")


def more(word, offset, size):
    """Print another piece of what was said last."""
    piece = _text[offset : offset + size]
    _print(word, "ok {}\n{}".format(len(piece), piece))


def _print(word, text):
    sys.stdout.write("\nunderstudy {} {}\n".format(word, text))
    sys.stdout.flush()


def _messages(until):
    """The runner's messages up to one of a kind in ``until``, or to its end."""
    said = bytearray()
    while True:
        head = _runner.stdout.read(_HEAD)
        if len(head) < _HEAD:
            return bytes(said)
        body = _runner.stdout.read(int.from_bytes(head[1:], "big"))
        said += head + body
        if head[:1] in until:
            return bytes(said)
