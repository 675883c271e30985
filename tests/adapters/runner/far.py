"""A far side on this machine: the runner and the guests in a folder of their own, as a package or an image has them."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from adapters.guest.catalogue import guests
from adapters.guest.contract import Missing
from adapters.runner.answer import Answer, text_to_messages
from adapters.runner.ended import Ended
from adapters.runner.job import Place, command, make_job, make_session, packed, setup
from adapters.runner.package import MAIN, guest_files, runner_files
from adapters.runner.results import judged
from host.interface import discard
from host.models import ExecutionRequest, ExecutionResult, File
from host.policy import FileSystemAccess, Policy

OPEN = Policy(
    name="open",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=20_000,
    max_cpu_time=20_000,
    max_memory_mb=256,
    max_output_bytes=1 << 20,
)
CLOSED = Policy(name="closed", allowed_imports=None, max_execution_time=20_000)
READING = CLOSED.model_copy(update={"name": "reading", "file_system_access": FileSystemAccess.READ_ONLY})


class FarSide:
    """It, below one folder.

    Args:
        folder: an empty one.
        languages: what it can run.
    """

    def __init__(self, folder: Path, languages: tuple[str, ...]) -> None:
        self.folder = folder
        self._guests = {}
        self._runtimes = {}
        self._put(runner_files())
        for guest in guests(folder / "state"):
            if guest.language in languages:
                runtime = guest.find()
                assert not isinstance(runtime, Missing), runtime
                self._guests[guest.language], self._runtimes[guest.language] = guest, runtime
                self._put(guest_files(guest, runtime, "base"))
        self._make_readable()

    def _put(self, trees) -> None:
        for source, place in trees.items():
            target = self.folder / ("guest/program.sh" if place == "/program.sh" else place.lstrip("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copy(source, target)

    def _make_readable(self) -> None:
        for path in (self.folder, *self.folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)

    def place(self, **more) -> Place:
        """Where things are, with empty folders to work in."""
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        for name in ("work", "temporary"):
            (run / name).mkdir(parents=True)
        usual = Place(
            guest=str(self.folder / "guest"),
            runtime=str(self.folder / "runtime"),
            work=str(run / "work"),
            temporary=str(run / "temporary"),
        )
        return replace(usual, **more)

    def command(self, argument: str) -> list[str]:
        """How the runner is started."""
        return [sys.executable, "-I", "-S", "-X", "utf8", "-u", str(self.folder / MAIN.lstrip("/")), argument]

    def run(
        self, code, policy=OPEN, language="python", files=(), emit=discard, inputs=None, **place
    ) -> ExecutionResult:
        """Run one program; what the runner says of how it could not be started is the reason."""
        where = self.place(**place)
        request = ExecutionRequest(
            code=code,
            language=language,
            inputs=inputs or {},
            files=tuple(File(path=path, content=content) for path, content in files),
        )
        launch = self._guests[language].launch(request, policy, self._runtimes[language])
        job = packed(make_job(request, policy, launch, where))
        done = subprocess.run(
            self.command(setup(where, launch, held=False)), input=job, capture_output=True, timeout=60, check=False
        )
        assert not done.stderr, done.stderr
        answer = Answer(policy, emit, is_text=launch.report_is_text)
        answer.feed(text_to_messages(done.stdout.decode(), answer.most_bytes) if where.text_bytes else done.stdout)
        assert not answer.trouble, answer.trouble
        return judged(request, policy, answer.ended())

    def session(self, policy=OPEN, language="python") -> "FarSession":
        """An interpreter that lives until it is closed."""
        where = self.place()
        launch = self._guests[language].open(policy, self._runtimes[language])
        process = subprocess.Popen(
            self.command(setup(where, launch, held=True)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        process.stdin.write(packed(make_session(policy, launch, where)))
        process.stdin.flush()
        return FarSession(process, self._guests[language], policy, where)


class FarSession:
    """One session."""

    def __init__(self, process, guest, policy, place) -> None:
        self.process = process
        self._guest = guest
        self._policy = policy
        self._place = place
        self.alive = True

    def give(self, code: str) -> Answer:
        """Send a command; the answer to it, of which nothing has been read."""
        request = ExecutionRequest(code=code, language=self._guest.language)
        frame = self._guest.frame(request, self._policy)
        self.send(command(frame, self._policy, self._place))
        return Answer(self._policy, discard)

    def send(self, message: bytes) -> None:
        """Send any message."""
        self.process.stdin.write(packed(message))
        self.process.stdin.flush()

    def read(self, answer: Answer, until=lambda answer: answer.over) -> None:
        """Read until something is so."""
        while not until(answer):
            data = self.process.stdout.read1(1 << 16)
            assert data, "the runner ended"
            answer.feed(data)

    def run(self, code: str) -> Ended:
        """Run one command."""
        answer = self.give(code)
        self.read(answer)
        self.alive = answer.alive
        return answer.ended()

    def close(self) -> int:
        """Hang up; the runner ends. Returns its exit code."""
        self.process.stdin.close()
        code = self.process.wait(30)
        self.process.stdout.close()
        return code
