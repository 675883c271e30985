"""The inside of a MicroVM as AWS runs it: the server is root and alone, the program is neither."""

import asyncio
import http.client
import json

import pytest

from host.models import ExecutionRequest, Limits, Status
from host.policy import FileSystemAccess
from tests.adapters.lambda_microvm.inside import Inside, need_root
from tests.adapters.lambda_microvm.rig import OPEN
from tests.attacks import attack_suite as suite

pytestmark = pytest.mark.engine
need_root_here = pytest.mark.usefixtures("_root")


@pytest.fixture
def _root() -> None:
    need_root()


@pytest.fixture
def inside(_root, built):
    """One that nobody has had."""
    with Inside(built) as made:
        yield made


async def test_what_a_program_is(inside, tmp_path):
    """A program is a user that belongs to nobody, has a work folder and /tmp, and can write nowhere else."""
    assert inside.facts.place.uid == 59000
    assert inside.facts.place.temporary == "/tmp"
    code = """
import os
places = {}
for folder in ("/", "/tmp", "/var/tmp", "/dev/shm", "/etc", "/opt", "/opt/understudy", "/root", "/usr", "."):
    try:
        os.close(os.open(os.path.join(folder, "x"), os.O_CREAT | os.O_WRONLY))
        places[folder] = True
    except OSError:
        places[folder] = False
result = [os.getuid(), os.getgid(), os.getgroups(), os.getcwd(), places]
"""
    result = await inside.run(ExecutionRequest(code=code), OPEN, tmp_path)
    uid, gid, groups, folder, places = result.value
    assert (uid, gid, groups, folder) == (59000, 59000, [], "/tmp/work")
    assert {name for name, could in places.items() if could} == {"/tmp", "."}
    assert [file.path for file in result.files] == ["x"]


async def test_a_program_without_files_writes_nowhere(inside, tmp_path):
    """Under a policy without files nothing at all can be written."""
    code = """
import os
def tries(path):
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        return True
    except OSError:
        return False
result = [tries(path) for path in ("x", "/tmp/x", "/dev/shm/x", "/var/tmp/x")]
"""
    policy = OPEN.model_copy(update={"file_system_access": FileSystemAccess.NONE})
    result = await inside.run(ExecutionRequest(code=code), policy, tmp_path)
    assert result.value == [False] * 4


LANGUAGES = {
    "python": "6 * 7",
    "javascript": "result = 6 * 7",
    "typescript": "result = 6 * 7",
    "sql": "select 42",
    "bash": "result=42",
    "elixir": "6 * 7",
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_language_runs(inside, tmp_path, language):
    """What the image was laid out with runs as the user that belongs to nobody."""
    result = await inside.run(ExecutionRequest(code=LANGUAGES[language], language=language), OPEN, tmp_path)
    assert result.status is Status.SUCCEEDED, result


def test_one_tenant_ever(inside):
    """A second program is refused whether or not the first one could be read, and says that it was not begun."""
    body = b"".join(len(part).to_bytes(8, "big") + part for part in (b"{}", b"{}"))
    status, said = inside.ask("POST", "/run", b"nonsense")
    assert (status, json.loads(said)["started"]) == (400, False)
    with pytest.raises(http.client.HTTPException):  # the runner ends at once: this is no setup
        inside.ask("POST", "/run", body)
    for path in ("/run", "/session"):
        status, said = inside.ask("POST", path, body)
        assert (status, json.loads(said)) == (409, {"error": "this MicroVM has its tenant", "started": False})
    assert json.loads(inside.ask("GET", "/ready")[1])["taken"] is True


def test_what_it_does_not_answer(inside):
    """Other places are not found, other methods not known, commands without a session refused, and noise ignored."""
    assert inside.ask("GET", "/")[0] == 404
    assert inside.ask("POST", "/other", b"")[0] == 404
    assert inside.ask("DELETE", "/run")[0] == 501
    assert inside.ask("POST", "/command", b"")[0] == 409
    assert inside.ask("POST", "/cancel", b"")[0] == 409
    connection = inside.connection()
    connection.sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # something speaks TLS to it
    connection.sock.shutdown(1)
    connection.close()
    assert inside.ask("GET", "/ready")[0] == 200


def test_the_hooks_of_the_service(inside):
    """The image is ready, works, and learns from the service who started it; the first word counts."""
    hooks = "/aws/lambda-microvms/runtime/v1/"
    assert inside.ask("POST", hooks + "ready", b"{}")[0] == 200
    assert inside.ask("POST", hooks + "validate", b"{}")[0] == 200
    for owner in ("me", "somebody else"):
        body = json.dumps({"microvmId": "m", "runHookPayload": json.dumps({"owner": owner})})
        assert inside.ask("POST", hooks + "run", body.encode())[0] == 200
    said = json.loads(inside.ask("GET", "/ready")[1])
    assert (said["owner"], said["taken"]) == ("me", False)
    assert inside.ask("POST", hooks + "run", b"[]")[0] == 400


def test_a_body_that_comes_in_chunks(inside):
    """A body whose length something on the way has taken off arrives all the same."""
    connection = inside.connection()
    connection.request("POST", "/run", iter([b"non", b"sense"]), encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["started"]) == (400, False)
    connection.close()


def test_a_body_that_does_not_come_whole(inside):
    """A request that breaks off takes no tenancy."""
    connection = inside.connection()
    connection.sock.sendall(b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    connection.close()
    assert json.loads(inside.ask("GET", "/ready")[1])["taken"] is False


@need_root_here
@pytest.mark.timeout(900)
async def test_no_attack_escapes(built, tmp_path):
    """Of the attack suite's programs none escapes, as the user that they really are there."""
    canaries = suite.Canaries(tmp_path)
    attacks = [each for each in suite.attacks() if each.language in LANGUAGES and each.runs == 1]
    turns = asyncio.Semaphore(4)
    wrong = {}

    async def attempt(attack) -> None:
        policy = OPEN.model_copy(update={"max_processes": 256}).tighten(Limits(**{**suite._LIMITS, **attack.limits}))
        request = ExecutionRequest(code=attack.code, language=attack.language, inputs=canaries.inputs)
        async with turns:
            made = await asyncio.to_thread(Inside(built).__enter__)
            try:
                result = await made.run(request, policy, tmp_path / "state")
            finally:
                made.__exit__()
        if told := suite._judge(attack, result, canaries, "lambda_microvm"):
            wrong[attack.id] = told

    try:
        await asyncio.gather(*map(attempt, attacks))
        assert len(attacks) >= 60
        assert not wrong, "\n".join(f"{name}: {told}" for name, told in wrong.items())
        assert canaries.harm() == []
    finally:
        canaries.close()
