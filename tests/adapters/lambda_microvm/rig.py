"""Lambda MicroVMs on this machine: emulated, and around the server and the runner that a real image has."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from adapters.lambda_microvm.adapter import LambdaMicrovmAdapter
from adapters.lambda_microvm.package import facts_of, files
from host.interface import AdapterContext, Emit, discard
from host.models import ExecutionRequest, ExecutionResult
from host.policy import FileSystemAccess, Policy
from tests.emulators.account import Account
from tests.emulators.lambda_root import INTERPRETER
from tests.emulators.microvm_service import MicroVms

__all__ = ["IMAGE", "OPEN", "Built", "Rig", "add_image", "ran"]

IMAGE = "understudy"
_PLACE = "/opt/understudy"
OPEN = Policy(
    name="open",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=20_000,
    max_cpu_time=20_000,
    max_memory_mb=256,
    max_output_bytes=1 << 20,
)


class Built:
    """An image's files on this machine, with its languages looked for once, as its Dockerfile has it.

    Attributes:
        shown: what a MicroVM of it sees of this machine, and where.
    """

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        for name, content in files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / "package.json").write_text(json.dumps(facts_of(2048, "extra")))
        (folder / "site").mkdir()
        (folder / "site" / "extra_package.py").write_text("ANSWER = 42\n")  # as pip puts a guest environment there
        subprocess.run([sys.executable, "-I", folder / "languages.py"], check=True, timeout=120)
        self.folder = folder
        self.shown: list[tuple[Path | str, str]] = [(folder, _PLACE)]
        for path in sorted(folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
            elif (target := path.readlink()).is_absolute() and not target.is_relative_to("/usr"):
                self.shown.append((target, self._seen_at(path, target)))

    def _seen_at(self, link: Path, target: Path) -> str:
        """Where a MicroVM sees what a link of the image leads to: not below /tmp, which is its own."""
        if not target.is_relative_to("/tmp"):
            return str(target)
        seen = f"/opt/of-this-machine/{len(self.shown)}/{target.name}"
        link.unlink()
        link.symlink_to(seen)
        return seen


def add_image(microvms: MicroVms, built: Built) -> None:
    """Put the image into an emulated service."""
    hooks = {"port": 8080, "microvmHooks": {"run": "ENABLED", "runTimeoutInSeconds": 30}}
    command = [INTERPRETER, "-I", f"{_PLACE}/server.py"]
    arn = microvms.add_image(IMAGE, command, hooks=hooks)
    microvms._images[arn].active().program.shown.extend(built.shown)  # as it is: to copy it takes seconds


class Rig:
    """An emulated account with the image, and adapters that use it."""

    def __init__(self, microvms: MicroVms, folder: Path) -> None:
        self.microvms = microvms
        self.folder = folder
        self.adapters: list[LambdaMicrovmAdapter] = []

    @property
    def account(self) -> Account:
        """The account."""
        return self.microvms.account

    async def adapter(self, owner: str = "tests", **settings: object) -> LambdaMicrovmAdapter:
        """A new adapter, started."""
        adapter = LambdaMicrovmAdapter()
        self.adapters.append(adapter)
        await adapter.start(AdapterContext(settings=settings, state_dir=self.folder, owner=owner))
        return adapter

    def calls(self, operation: str) -> int:
        """How often an operation was called."""
        return len(self.account.log.calls(operation))

    async def ended(self) -> None:
        """Return once no MicroVM lives."""
        async with asyncio.timeout(30):
            while self.microvms.living():
                await asyncio.sleep(0.01)

    def posts(self, path: str = "/run") -> list:
        """The programs that arrived at doors, whatever became of them."""
        return self.account.log.calls(
            "Endpoint", when=lambda given: given["method"] == "POST" and given["path"] == path
        )


async def ran(
    adapter: LambdaMicrovmAdapter,
    code: str,
    policy: Policy = OPEN,
    language: str = "python",
    emit: Emit = discard,
    **fields: object,
) -> ExecutionResult:
    """What comes of a program."""
    request = ExecutionRequest(code=code, language=language, **fields)
    assert adapter.accepts(request, policy) is None
    return await adapter.execute(request, policy, emit)
