"""What a MicroVM is, and whose: it is let to one tenant, ever.

Standard library only, Python 3.9 to 3.15.
"""

import json
import os
import socket
import tempfile
import threading

import languages
import tenant
import tree

_UID = 59000
_SHARED_FOLDERS = ("/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")
_NOT_TO_BE_LISTED = ("/home", "/opt", "/root", "/var/lib", "/var/log")
_NOT_TO_BE_READ = ("/etc/group", "/etc/hostname", "/etc/machine-id", "/etc/passwd")


class Refused(Exception):
    """A request that is not taken: an HTTP status and a sentence."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


class MicroVM:
    """What this MicroVM is, and its tenant.

    Args:
        package: the folder that holds what its image is made of.
    """

    def __init__(self, package):
        laid_out = os.path.join(package, languages.LAID_OUT)
        folder = "/tmp" if is_ours() else tempfile.mkdtemp(prefix="understudy-")
        work = os.path.join(folder, "work")
        os.makedirs(work, exist_ok=True)
        if not languages.is_laid_out(laid_out):
            laid_out = tempfile.mkdtemp(prefix="understudy-")
            os.chmod(laid_out, 0o755)
            languages.lay_out(package, laid_out)
        self._place = {"work": work, "temporary": folder}
        self._place.update((name, os.path.join(laid_out, name)) for name in ("guest", "runtime"))
        with open(os.path.join(package, "package.json")) as file:
            self._facts = json.load(file)
        self._facts.update(
            machine=os.uname().machine,
            languages=languages.found_in(laid_out),
            place=self._place,
            uid=_UID if os.getuid() == 0 else None,
            total_mb=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        )
        self._lock = threading.Lock()
        self._owner = None
        self._taken = False
        self._tenant = None

    def ready(self):
        """What it is."""
        return {**self._facts, "owner": self._owner, "taken": self._taken}

    def belongs_to(self, owner):
        """Who started it; the first word counts."""
        if self._owner is None:
            self._owner = owner

    def let_to(self, body):
        """Start the runner of the only tenant, and give it its job.

        Raises:
            Refused: there has been one, or this one cannot be started.
        """
        argument, job = parts(body)
        with self._lock:
            if self._taken:
                raise Refused(409, "this MicroVM has its tenant")
            self._taken = True
        try:
            new = tenant.Tenant(self._main(), argument.decode(), tree.end_all)
        except (OSError, ValueError) as error:
            raise Refused(500, "the runner cannot be started: {}".format(error)) from None
        new.give(job)
        self._tenant = new
        return new

    def session(self):
        """The tenant, which takes commands.

        Raises:
            Refused: there is none.
        """
        if self._tenant is None:
            raise Refused(409, "this MicroVM has no session")
        return self._tenant

    def works(self):
        """Whether a runner starts here. It is given no job, so nothing of a tenant's is touched."""
        setup = {"environment": {}, "preload": ["python.main"], "contained": False, "held": False, "uid": None}
        setup.update(self._place, folders=[], text=0)
        trial = tenant.Tenant(self._main(), json.dumps(setup), lambda: None)
        said = bytearray()
        here, there = socket.socketpair()
        with here, there:
            came = trial.pass_on(here, said.extend, frozenset(b"RX"))
            trial.end()
        return came and said[:1] == b"R"

    def _main(self):
        return os.path.join(self._place["guest"], "runner", "main.py")


def is_ours():
    """Whether this machine has nobody but us, so that /tmp is for the program and all that it may fill."""
    if os.getuid() == 0:
        return os.getpid() == 1
    return os.stat("/tmp").st_uid == os.getuid()


def shut_what_is_not_the_programs():
    """Folders that everybody may write to would be outside of what is counted; and some things nobody need read."""
    for paths, mode in ((_SHARED_FOLDERS, 0o555), (_NOT_TO_BE_LISTED, 0o711), (_NOT_TO_BE_READ, 0o600)):
        for path in filter(os.path.exists, paths):
            try:
                os.chmod(path, mode)
            except OSError:  # not ours, so it is not for our program either
                pass


def parts(body):
    """The two messages in a body: the setup, and the job as a runner takes it.

    Raises:
        Refused: it is none of ours.
    """
    first = 8 + int.from_bytes(body[:8], "big")
    second = 8 + int.from_bytes(body[first : first + 8], "big")
    if len(body) < 16 or len(body) != first + second:
        raise Refused(400, "the body is not a setup and a job")
    return body[8:first], body[first:]
