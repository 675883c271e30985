"""Makes a session ready: the first program of ``understudy.zip``, ``python3 -I -S -X utf8 understudy.zip ORDER``.

It unpacks the rest of the file beside it, and says what it finds as one line of JSON after the word ``understudy``:

======= ==============================================================================================================
root    where everything is, as an absolute path
program this interpreter
python  its version
machine the processor
uid     whom the runner becomes for the program, where it is root; else null
found   what ``look.py`` found, where ORDER asks to look around or what it knows is no longer so
======= ==============================================================================================================

ORDER is JSON: ``links``, programs by their name in the folder ``runtime``; ``look``, whether to look around;
``compile``, whether to compile what is in Python, for which there is time where nobody waits yet. Standard library
only, Python 3.9 to 3.15.
"""

import json
import os
import sys
import zipfile

_LINKED = ("deno", "node")
_NOBODY = 65532
_FOLDERS = ("work", "tmp", "runtime")


def main(argument):
    """Make the session ready."""
    order = json.loads(argument)
    archive = os.path.abspath(sys.argv[0])
    root = os.path.join(os.path.dirname(archive), "understudy")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(root)
    uid = _NOBODY if os.getuid() == 0 and _is_open_to_all(root) else None
    os.chmod(root, 0o700 if uid is None else 0o711)
    for name in _FOLDERS:
        os.makedirs(os.path.join(root, name), exist_ok=True)
    said = {
        "root": root,
        "program": sys.executable,
        "python": sys.version.split()[0],
        "machine": os.uname().machine,
        "uid": uid,
        "found": None,
    }
    links = order["links"]
    if order["look"] or not all(map(os.path.exists, links.values())):
        said["found"] = _look(root)
        links = {name: tool["path"] for name, tool in said["found"]["tools"].items() if name in _LINKED}
    for name, path in links.items():
        _link(path, os.path.join(root, "runtime", name))
    if order["compile"]:
        import compileall

        compileall.compile_dir(root, quiet=2)
    sys.stdout.write("\nunderstudy {}\n".format(json.dumps(said)))


def _look(root):
    sys.path[:0] = [os.path.join(root, "enter"), os.path.join(root, "guest", "runner")]
    import look

    return look.around(root)


def _is_open_to_all(path):
    """Whether another user gets there."""
    while path != "/":
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & 0o001:
            return False
    return True


def _link(path, name):
    if os.path.lexists(name):
        os.unlink(name)
    os.symlink(path, name)


if __name__ == "__main__":
    main(sys.argv[1])
