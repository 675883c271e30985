"""A clone of a process that has the guest imported is, once warm, what an interpreter is that has just started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from adapters.guest.python.host import PRELOAD

other_python = pytest.mark.skipif("GUEST_PYTHON" in os.environ, reason="the packages here are for another Python")
SITE = str(Path(numpy.__file__).parents[1])

STATE = """
import gc, os, signal, sys
names = sorted(globals())
import builtins, threading
result = [
    names, sorted(vars(builtins)), sys.argv, sys.path[0], len(sys.path), len(set(sys.path)), sys.flags.isolated,
    sys.getrecursionlimit() > 0, gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), sys.gettrace(),
    [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    sorted(os.listdir('/proc/self/fd'))[:4], os.getcwd(), dict(os.environ).get('HOME'), sys.meta_path.__len__(),
    sys.warnoptions, sys.stdin.name, sys.stdout.encoding, sys.stderr.errors, sys.stdin.fileno(),
    threading.active_count(), [stream.seekable() for stream in (sys.stdin, sys.stdout, sys.stderr)],
    [stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)], sys.stdout.line_buffering,
    [stream.buffer.raw._blksize for stream in (sys.stdin, sys.stdout, sys.stderr)], sys.stdin.read(),
    threading.main_thread() is threading.current_thread(), threading.main_thread().native_id == os.getpid(),
    __name__, __file__, inputs, sys.modules['__main__'].__dict__ is globals(),
]
"""


def test_a_warm_clone_is_as_a_fresh_interpreter(run_python, run_warm):
    """Names, builtins, paths, signals, descriptors, streams and threads are those of a cold start."""
    warm = run_warm(STATE, {"a": 1}, preload=(*PRELOAD, "threading"))
    assert warm.value == run_python(STATE, {"a": 1}).value


@other_python
def test_clones_share_no_random_numbers(run_warm):
    """Every source of randomness that was there before the clone is fresh in each: the reports are all different."""
    code = """
import random, secrets, tempfile, uuid, hashlib, ssl
import numpy.random
result = [random.random(), random.Random().random(), secrets.token_hex(), str(uuid.uuid4()), ssl.RAND_bytes(4).hex(),
          next(tempfile._get_candidate_names()), float(numpy.random.random()),
          int(numpy.random.default_rng().integers(2**60))]
print(result)
"""
    preload = (*PRELOAD, "numpy", "pandas", "tempfile", "secrets", "uuid", "ssl")
    ended = run_warm(code, preload=preload, sites=(SITE,), count=3)
    assert ended.code == 0, ended.stderr
    drawn = [json.loads(line.replace("'", '"')) for line in ended.stdout.splitlines()]
    assert len(drawn) == 3
    for kind in zip(*drawn, strict=True):
        assert len(set(kind)) == 3


def test_a_seed_of_the_programs_own_counts(run_warm, run_python):
    """Numbers after a seed are the same in a clone and in a fresh interpreter."""
    code = "import random\nrandom.seed(5)\nrandom.random()"
    assert run_warm(code).value == run_python(code).value


@other_python
def test_pandas_works_in_a_clone(run_warm):
    """Packages that were imported ahead serve every clone, and its values come back as tables."""
    code = "import pandas\npandas.DataFrame({'k': list('aab'), 'v': [1, 2, 3]}).groupby('k').v.sum().to_dict()"
    ended = run_warm(code, preload=(*PRELOAD, "numpy", "pandas"), sites=(SITE,), count=2)
    assert ended.value == {"a": 3, "b": 3}


KNOWN = {
    "random": "reseeded",
    "threading": "the main thread gets its new number; there is no other",
    "logging": "locks, which the only thread does not hold",
    "concurrent.futures.thread": "a lock, which the only thread does not hold",
}


def test_nothing_else_wants_to_know_of_a_fork():
    """What the modules register that are imported ahead is known, and so is who draws random numbers at import: a new
    version of a package that does more is to be looked at.
    """
    others = [name for name in PRELOAD if not name.startswith("python.")]
    script = f"""
import os, sys
sys.path.append({SITE!r})
said = set()
def told(function, what):
    def call(*arguments, **named):
        frame = sys._getframe(1)
        said.add((what, frame.f_globals["__name__"]))
        return function(*arguments, **named)
    return call
os.register_at_fork = told(os.register_at_fork, "register")
os.urandom = told(os.urandom, "draw")
for name in {(*others, "numpy", "pandas")!r}:
    __import__(name)
import json
print(json.dumps([sorted(said), len(os.listdir("/proc/self/task"))]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], env={"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    said, threads = json.loads(done.stdout)
    assert {name for what, name in said if what == "register"} <= set(KNOWN)
    assert {name for what, name in said if what == "draw"} <= {"random"}
    assert threads == 1


@pytest.mark.parametrize("code", ["1 / 0", "import decimal\ndecimal.Decimal('1.1')", "raise SystemExit(3)"])
def test_warming_up_twice_is_warming_up_once(run_warm, run_python, code):
    """A process may be told to warm up again; outcome and value are the same as cold."""
    warm, cold = run_warm(code), run_python(code)
    assert (warm.code, warm.stdout, warm.stderr, warm.report) == (cold.code, cold.stdout, cold.stderr, cold.report)
