"""Run one job: a program from its start to its last file, or the commands of a session. See ``main.py``.

Runs inside a wall: standard library only, Python 3.9 to 3.15.
"""

import base64
import json
import os
import time

import attend
import child
import kernel
import steps

HostIsGone = attend.HostIsGone
_STAND_INS = (0x5AFE0001, 0x5AFE0002, 0x5AFE0003, 0x5AFE0004)  # ``SHIELDED`` of ``seccomp.py``


def run(job, setup, sink, host):
    """Run it.

    Args:
        job: what is to be run; see ``main.py``.
        setup: how things are here; see ``main.py``.
        sink: takes what goes to the host; see ``stream.py``.
        host: where more comes from.

    Raises:
        HostIsGone: nobody waits for an answer any more.
    """
    job = _with_bytes(job)
    if os.getuid() != 0:
        setup["uid"] = None
    job["filter"] = _shielding(job["filter"])
    if "files" in job:
        _prepare_folders(job, setup)
    if job["session"]:
        _Session(job, setup, sink, host).run()
    elif "frame" in job:
        _program(child.Child(job, setup), job, setup, sink, host)
    else:
        _program_that_waits(job, setup, sink, host)


def _program_that_waits(job, setup, sink, host):
    """The guest is started before anybody knows what it is to run; the rest of the job comes later, or never."""
    reading, frame = os.pipe()
    program = child.Child(job, setup, channel=reading)
    os.close(reading)
    sink.tell(b"W")
    sink.flush()
    body = steps.receive(host)
    if not body:
        raise HostIsGone
    job.update(_with_bytes(json.loads(body)))
    _prepare_folders(job, setup)
    _program(program, job, setup, sink, host, frame)


def _program(program, job, setup, sink, host, frame=-1):
    tell = sink.tell
    frames = _Frames()

    def pass_on(kind, data):
        if kind == b"r":
            frames.feed(data)
        tell(kind, data)

    held = host if setup["held"] else -1
    attendance = attend.Attendance(program, job["bounds"], setup, pass_on, sink.flush, held, _nobody_waits)
    tell(b"B")
    if frame >= 0:
        attendance.begin(job["bounds"]["output_bytes"], job["bounds"]["cpu_us"], attendance.spent_us())
        attendance.give(frame, job["frame"], is_all=True)
    began = time.monotonic()
    deadline_s = job["deadline_ms"] / 1000
    attendance.until_over(deadline_s, None if job["collect"] else frames.is_done)
    if frames.is_done() and not job["collect"] and attendance.end_alone():
        _tell_end(tell, attendance, time.monotonic() - began, frames.exit_code)
        tell(b"D")
        sink.flush()  # nobody has to wait for the kernel to take it apart
        attendance.finish()
        return
    attendance.until_over(deadline_s - (time.monotonic() - began))
    wall_s = time.monotonic() - began
    attendance.finish()
    _tell_end(tell, attendance, wall_s)
    if job["collect"]:
        steps.tell_files(tell, setup["work"], dict(job["files"]), *job["collect"])
    tell(b"D")


def _nobody_waits():
    raise HostIsGone


class _Session:
    """An interpreter and its commands."""

    def __init__(self, job, setup, sink, host):
        self._tell = sink.tell
        self._flush = sink.flush
        self._host = host
        self._frames = _Frames()
        reading, self._commands = os.pipe()
        program = child.Child(job, setup, channel=reading)
        os.close(reading)
        self._attendance = attend.Attendance(
            program, job["bounds"], setup, self._pass_on, sink.flush, host, self._is_cancelled
        )

    def run(self):
        """Run command after command until the host has no more, or the interpreter is gone."""
        self._tell(b"B")
        while self._attendance.status is None:
            self._flush()
            body = steps.receive(self._host)
            if not body:
                break
            command = json.loads(body)
            if "frame" in command:  # one that is to be cancelled may be over already
                self._obey(_with_bytes(command))

    def _obey(self, command):
        attendance, frames = self._attendance, self._frames
        frames.begin()
        attendance.begin(command["bounds"]["output_bytes"], command["bounds"]["cpu_us"], attendance.spent_us())
        attendance.give(self._commands, command["frame"])
        began = time.monotonic()
        attendance.until_over(command["deadline_ms"] / 1000, frames.is_done)
        wall_s = time.monotonic() - began
        if attendance.cause in ("deadline", "cancelled"):
            alive = attendance.interrupt(frames.is_done)
        else:
            alive = attendance.status is None and attendance.cause is None
        if alive:
            attendance.drain()
        else:
            attendance.finish()
        _tell_end(self._tell, attendance, wall_s, frames.exit_code if alive else None, alive=alive)
        self._tell(b"D")

    def _pass_on(self, kind, data):
        if kind == b"r":
            self._frames.feed(data)
        self._tell(kind, data)

    def _is_cancelled(self):
        if not steps.receive(self._host):
            raise HostIsGone
        return "cancelled"


class _Frames:
    """Looks for the frame that says that a command is done."""

    def __init__(self):
        self._waiting = bytearray()
        self.begin()

    def begin(self):
        """The next command comes."""
        self.exit_code = None

    def is_done(self):
        """Whether the command is."""
        return self.exit_code is not None

    def feed(self, data):
        """What the guest reports."""
        self._waiting += data
        while len(self._waiting) >= 4:
            end = 4 + int.from_bytes(self._waiting[:4], "big")
            if len(self._waiting) < end:
                return
            body = bytes(self._waiting[4:end])
            del self._waiting[:end]
            if len(body) < 200 and b'"done"' in body:
                self._take(body)

    def _take(self, body):
        try:
            frame = json.loads(body)
        except ValueError:
            return
        if isinstance(frame, dict) and frame.get("kind") == "done" and isinstance(frame.get("exit_code"), int):
            self.exit_code = frame["exit_code"] & 0xFF


def _tell_end(tell, attendance, wall_s, code=None, *, alive=False):
    """How the program ended, or its command. ``code`` is the exit code of one whose process has not ended."""
    signal, status = None, attendance.status
    if status is not None:
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    facts = {
        "exit_code": code,
        "signal": signal,
        "cause": attendance.cause,
        "out_of_memory": attendance.ran_out_of_memory(),
        "cpu_us": attendance.used_us(),
        "wall_us": max(1, round(wall_s * 1e6)),
        "peak_bytes": max(attendance.peak_bytes, kernel.usage_of_the_buried()[1] << 10),
        "alive": alive,
    }
    tell(b"E", json.dumps(facts).encode())


def _with_bytes(job):
    """The job with its bytes as bytes."""
    for name in {"frame", "filter"} & set(job):
        job[name] = base64.b64decode(job[name])
    if "files" in job:
        job["files"] = [(path, base64.b64decode(content)) for path, content in job["files"]]
    return job


def _shielding(program):
    """The filter with the processes in it that it keeps from the program's signals."""
    numbers = (os.getpid(), os.getppid(), -os.getpgrp(), -os.getpgid(os.getppid()))
    for place, number in enumerate(numbers):
        known = (number or os.getpid()) & 0xFFFFFFFF  # a parent in another process namespace has no number here
        program = program.replace(_STAND_INS[place].to_bytes(4, "little"), known.to_bytes(4, "little"))
    return program


def _prepare_folders(job, setup):
    """Fill the work folder; close what the program may not write to, or hand over what it may."""
    steps.fill_work_folder(job["files"], setup["work"])
    if job["writable"]:
        if setup["uid"] is not None:
            _hand_over(setup["folders"], setup["uid"])
        return
    for folder in (setup["work"], *setup["folders"]):
        for below, _, files in os.walk(folder, topdown=False):
            for path in (*(os.path.join(below, name) for name in files), below):
                try:
                    os.chmod(path, os.stat(path).st_mode & 0o555)
                except OSError:  # not ours, or on a file system that is read-only itself
                    pass


def _hand_over(folders, uid):
    for folder in folders:
        for below, _, files in os.walk(folder):
            for path in (below, *(os.path.join(below, name) for name in files)):
                os.chown(path, uid, uid, follow_symlinks=False)
