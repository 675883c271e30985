"""The process that keeps the state of `executeCode` in Python. Run as `python -I agentcore_kernel.py`.

Its stdin is a socket: each message is the JSON of a request, with the stdout and stderr of this execution as
descriptors; the answer is the length and the JSON of what happened.
"""

import ast
import base64
import contextlib
import io
import json
import linecache
import os
import socket
import struct
import sys
import traceback

LONGEST_MESSAGE = 65_536


def fresh():
    """The names that a piece of code finds at first."""
    return {"__name__": "__main__", "__builtins__": __builtins__}


def execute(code, name, names):
    """Run a piece of code as a notebook does: the value of a last expression is shown."""
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), name, "eval"), names)
        if value is not None:
            sys.stdout.write(f"{value!r}\n")


def figures():
    """The figures that are open in matplotlib, as PNG, closed then."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    images = []
    for number in pyplot.get_fignums() if pyplot else ():
        image = io.BytesIO()
        pyplot.figure(number).savefig(image, format="png")
        images.append(base64.b64encode(image.getvalue()).decode())
    if pyplot:
        pyplot.close("all")
    return images


def run(code, number, names):
    """Run it, with its traceback on stderr; its exit code."""
    name = f"<cell {number}>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    try:
        execute(code, name, names)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:  # noqa: BLE001 - whatever the code raises is its result
        shown = error.__traceback__
        while shown is not None and shown.tb_frame.f_code.co_filename != name:
            shown = shown.tb_next
        traceback.print_exception(type(error), error, shown)
        return 1
    return 0


def main():
    """Serve until the socket closes."""
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    names = fresh()
    sys.path.insert(0, "")
    sys.argv = [""]
    number = 0
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, LONGEST_MESSAGE, 2)
        if not message:
            return
        request = json.loads(message)
        for target, descriptor in zip((1, 2), descriptors, strict=True):
            os.dup2(descriptor, target)
            os.close(descriptor)
        if request["clear"]:
            names = fresh()
        with open(request["file"], encoding="utf-8") as file:
            code = file.read()
        number += 1
        exit_code = run(code, number, names)
        images = figures()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        for target in (1, 2):
            os.dup2(nothing, target)
        answer = json.dumps({"exitCode": exit_code, "images": images}).encode()
        control.sendall(struct.pack("!I", len(answer)) + answer)


if __name__ == "__main__":
    main()
