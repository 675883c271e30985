"""Looks around in a session: which languages there are, which packages, and what holds a program that is shut in.

Standard library only, Python 3.9 to 3.15.
"""

import json
import os
import shutil
import subprocess
import sys

import kernel
import shut

_SECONDS = 30
_TOOLS = {
    "deno": ("--version",),
    "node": ("-p", "process.versions.node + ' ' + typeof require('node:module').stripTypeScriptTypes"),
    "bash": ("--norc", "--noprofile", "-c", "echo ${BASH_VERSINFO[0]}.${BASH_VERSINFO[1]}"),
}
_PACKAGES = """
import importlib.metadata, importlib.util, json, os
found = {}
for module, name in (
    ("_duckdb", "duckdb"), ("numpy", "numpy"), ("pandas", "pandas"), ("matplotlib", "matplotlib"), ("PIL", "pillow")
):
    try:
        origin = importlib.util.find_spec(module).origin
        folder = os.path.dirname(origin)
        if os.path.basename(origin) == "__init__.py":
            folder = os.path.dirname(folder)
        found[name] = [os.path.realpath(folder), importlib.metadata.version(name)]
    except (AttributeError, ImportError, ValueError):
        pass
print(json.dumps(found))
"""


def around(root):
    """What is here.

    Args:
        root: the folder of all that is ours.
    """
    tools = {name: path for name, path in ((name, shutil.which(name)) for name in _TOOLS) if path}
    asked = {name: _started([path, *_TOOLS[name]]) for name, path in tools.items()}
    packages = _started([sys.executable, "-I", "-c", _PACKAGES])
    said = {name: _said(process) for name, process in asked.items()}
    return {
        "tools": {
            name: {"path": os.path.realpath(tools[name]), "said": text}
            for name, text in said.items()
            if text is not None
        },
        "packages": json.loads(_said(packages) or "{}"),
        "landlock": shut.version(kernel),
        **_holding(root),
    }


def _started(argv):
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _said(process):
    """The first line of what it printed, or None where it failed."""
    try:
        text = process.communicate(timeout=_SECONDS)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return text.partition("\n")[0].strip() if process.returncode == 0 else None


def _holding(root):
    """Whether a process that is shut in is kept from other processes' memory, and from writing elsewhere."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        found = {}
        try:
            shut.shut_in(kernel, [os.path.join(root, "work")])
            found["memory_closed"] = _is_refused("/proc/{}/mem".format(os.getppid()), os.O_RDWR)
            found["writes_closed"] = _is_refused(os.path.join(root, "trial"), os.O_WRONLY | os.O_CREAT)
        finally:
            os.write(writing, json.dumps(found).encode())
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        found = json.loads(answer.read() or b"{}")
    os.waitpid(child, 0)
    return {name: bool(found.get(name)) for name in ("memory_closed", "writes_closed")}


def _is_refused(path, flags):
    try:
        os.close(os.open(path, flags, 0o600))
    except OSError:
        return True
    return False
