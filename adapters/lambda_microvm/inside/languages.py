"""What a MicroVM can run: looked for once, when its image is built; otherwise when its server starts.

The runner and the guests expect one folder of guests and one of runtimes. Both are made here of links to where things
are, so that it does not matter who installed them. Standard library only, Python 3.9 to 3.15.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys

LAID_OUT = "laid_out"
"""The folder, in the image's own, where they are."""
_FOUND = "found.json"
_SITE = "guest/site"
_BASH = "/usr/bin/bash"
_LEAST_BASH = (5, 0)
_LEAST_ELIXIR = (1, 14)
_ELIXIR_PROBE = """
IO.puts(System.version()); IO.puts(:erlang.system_info(:version))
IO.puts(:code.root_dir()); IO.puts(:code.lib_dir(:elixir))
"""
_LONGEST_S = 120


def lay_out(package, folder):
    """Make the two folders, and look for every language.

    Args:
        package: the folder that holds what this image is made of.
        folder: where ``guest`` and ``runtime`` are made.
    """
    for name in ("guest", "runtime", _SITE):
        os.makedirs(os.path.join(folder, name))
    for name in ("guest", "runtime"):
        source = os.path.join(package, name)
        for entry in sorted(os.listdir(source)):
            place = os.path.join(folder, name)
            os.symlink(os.path.relpath(os.path.join(source, entry), place), os.path.join(place, entry))
    packages, place = os.path.join(package, "site"), os.path.join(folder, _SITE)
    for entry in sorted(os.listdir(packages)) if os.path.isdir(packages) else ():
        os.symlink(os.path.relpath(os.path.join(packages, entry), place), os.path.join(place, entry))
    found = {}
    for look in (_sql, _javascript, _bash, _elixir):
        try:
            found.update(look(package, folder))
        except (OSError, ValueError, subprocess.SubprocessError, importlib.metadata.PackageNotFoundError):
            continue  # what does not say its version is not there
    with open(os.path.join(folder, _FOUND), "w") as file:
        json.dump(found, file)


def found_in(folder):
    """By language its version and its program, as ``lay_out`` has found them; Python is whoever asks."""
    with open(os.path.join(folder, _FOUND)) as file:
        found = json.load(file)
    return dict(found, python={"version": sys.version.split()[0], "program": os.path.realpath(sys.executable)})


def is_laid_out(folder):
    """Whether ``lay_out`` was here."""
    return os.path.exists(os.path.join(folder, _FOUND))


def _sql(package, folder):
    distribution = importlib.metadata.distribution("duckdb")
    for top in sorted({file.parts[0] for file in distribution.files or ()}):
        source = str(distribution.locate_file(top))
        target = os.path.join(folder, _SITE, top)
        if top not in ("..", "__pycache__") and os.path.exists(source) and not os.path.lexists(target):
            os.symlink(source, target)
    return {"sql": {"version": distribution.version, "program": os.path.realpath(sys.executable)}}


def _javascript(package, folder):
    program = _deno()
    version = _said([program, "--version"]).split()[1]
    os.symlink(program, os.path.join(folder, "runtime", "deno"))
    return {language: {"version": version, "program": program} for language in ("javascript", "typescript")}


def _deno():
    try:
        from deno import find_deno_bin

        return os.path.realpath(find_deno_bin())
    except ImportError:
        return _program("deno")


def _bash(package, folder):
    words = _said([_BASH, "--norc", "-c", "echo ${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"]).split()
    if (int(words[0]), int(words[1])) < _LEAST_BASH:
        return {}
    return {"bash": {"version": ".".join(words), "program": os.path.realpath(_BASH)}}


def _elixir(package, folder):
    version, machine, root, library = _said([_program("elixir"), "-e", _ELIXIR_PROBE]).split("\n")[:4]
    if tuple(int(part) for part in version.split(".")[:2]) < _LEAST_ELIXIR:
        return {}
    compiled = os.path.join(folder, "runtime", "guest")
    os.mkdir(compiled)
    sources = os.path.join(package, "elixir")
    _said([_program("elixirc"), "-o", compiled, *(os.path.join(sources, name) for name in sorted(os.listdir(sources)))])
    os.symlink(root, os.path.join(folder, "runtime", "erlang"))
    os.symlink(os.path.dirname(os.path.realpath(library)), os.path.join(folder, "runtime", "elixir"))
    return {"elixir": {"version": version, "program": f"{root}/erts-{machine}/bin/erlexec"}}


def _program(name):
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(name)
    return os.path.realpath(found) if name == "deno" else found


def _said(command):
    """What a program says."""
    environment = {"HOME": "/tmp", "LANG": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath), "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=True,
        env=environment,
    )
    return done.stdout


if __name__ == "__main__":
    HERE = os.path.dirname(os.path.abspath(__file__))
    lay_out(HERE, os.path.join(HERE, LAID_OUT))
