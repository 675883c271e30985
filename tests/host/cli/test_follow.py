"""Output while a program runs: `understudy run --follow`, `follow` and `cancel`, as processes of their own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from host.testing import missing

pytestmark = pytest.mark.engine

COUNTS = "import time\nn = 0\nwhile True:\n    print(n, flush=True)\n    n += 1\n    time.sleep(0.01)\n"
"""A program that never ends by itself."""


def written(lines, stream="stdout"):
    """What the event lines tell of one output stream."""
    return "".join(each["data"]["text"] for each in lines if each["event"] == stream)


def ended(process):
    """The rest of its output, once the process has ended."""
    rest = process.stdout.read()
    process.wait(60)
    return rest


@pytest.fixture
def begin(command, scrubbed, tmp_path):
    """Starts the command and leaves it running; what still runs at the end is killed."""
    with contextlib.ExitStack() as processes:

        def start(*arguments, **environ):
            process = _started([*command, *arguments], {**scrubbed, **environ}, tmp_path)
            processes.callback(_killed, process)
            return process

        yield start


def _started(command, environment, folder):
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _killed(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The address of a service with the wall."""
    folder = tmp_path_factory.mktemp("service")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "UNDERSTUDY_STATE_DIR": str(folder / "state")}
    command = [str(Path(sys.executable).with_name("understudy")), "serve", "--port", "0", "--json"]
    process = _started(command, environment, folder)
    try:
        url = json.loads(process.stdout.readline())["url"]
        wall = next(each for each in httpx.get(f"{url}/v1/adapters").json() if each["name"] == "sandbox")
        if not wall["ready"]:
            missing(f"sandbox: {wall['reason']} {wall['remedy']}")
        yield url
    finally:
        _killed(process)


@pytest.fixture
def runs_there(service, request):
    """A program that runs on the service until it is stopped; gives its id."""
    name = f"there-{request.node.name.partition('[')[0]}"
    events = {"accept": "text/event-stream"}
    body = {"code": COUNTS, "policy": "data", "id": name}
    with httpx.stream("POST", f"{service}/v1/executions", json=body, headers=events, timeout=60) as answer:
        pieces = answer.iter_text()
        while "event: started" not in next(pieces):
            pass
        yield name


def test_events_are_lines_and_the_last_is_the_result(understudy, sandbox):
    """With --follow --json each line is one event, numbered; the last is the result as its record has it."""
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7"
    call = understudy("run", "-c", code, "--policy", "standard", "--follow", "--json", "--id", "mine", **sandbox)
    lines = [json.loads(line) for line in call.out.splitlines()]
    assert call.code == 0, call.err
    assert [each["seq"] for each in lines] == list(range(1, len(lines) + 1))
    assert lines[0]["data"] == {"id": "mine", "adapter": "sandbox", "language": "python", "policy": "standard"}
    assert (written(lines), written(lines, "stderr")) == ("out\n", "err\n")
    assert (lines[-1]["event"], lines[-1]["data"]["value"]) == ("result", 42)
    record = understudy("show", "mine", "--json").json
    assert record["provenance"] == lines[-1]["data"]["provenance"]


def test_follow_without_json_shows_the_output_and_the_answer(understudy, sandbox):
    """For people it is the output and then the answer."""
    call = understudy("run", "-c", "print('hello'); 42", "--follow", **sandbox)
    assert call.code == 0, call.err
    assert call.out.startswith("hello\nvalue")


def test_what_never_runs_is_one_line(here):
    """A denied program has its result alone, and the exit code of denials."""
    call = here("run", "-c", "import socket", "--follow", "--json")
    (line,) = map(json.loads, call.out.splitlines())
    assert (call.code, line["seq"], line["event"], line["data"]["status"]) == (3, 1, "result", "denied")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_each_line_comes_at_once_and_ctrl_c_ends_with_the_result(begin, here, sandbox, number):
    """The lines of a program that never ends are there; a signal stops it, and the last line says so."""
    process = begin("run", "-c", COUNTS, "--policy", "data", "--follow", "--json", "--id", "endless", **sandbox)
    lines = [json.loads(process.stdout.readline()) for _ in range(4)]
    process.send_signal(number)
    rest = ended(process)
    lines += map(json.loads, rest.splitlines())
    assert process.returncode == 130
    assert (lines[-1]["event"], lines[-1]["data"]["status"]) == ("result", "cancelled")
    assert written(lines) == lines[-1]["data"]["stdout"]
    assert here("show", "endless", "--json").json["status"] == "cancelled"


def test_a_reader_that_goes_away_stops_the_program(begin, here, sandbox):
    """When nobody reads the lines any more, as after `head -1`, the program is stopped and recorded."""
    process = begin("run", "-c", COUNTS, "--policy", "data", "--follow", "--json", "--id", "unread", **sandbox)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 1
    assert here("show", "unread", "--json").json["status"] == "cancelled"


def test_an_execution_of_a_service_is_followed_and_cancelled(begin, understudy, service, runs_there):
    """Follow tells it from its beginning, to several; cancel answers when it is dead, and then follow ends."""
    machine = begin("follow", runs_there, "--url", service, "--json")
    person = begin("follow", runs_there, "--url", service)
    lines = [json.loads(machine.stdout.readline()) for _ in range(4)]
    shown = [person.stdout.readline() for _ in range(2)]
    call = understudy("cancel", runs_there, "--url", service)
    assert (call.code, call.out.split()[0]) == (0, "cancelled")
    rest = ended(machine)
    lines += map(json.loads, rest.splitlines())
    assert machine.returncode == 130
    assert [each["seq"] for each in lines] == list(range(1, len(lines) + 1))
    assert written(lines) == lines[-1]["data"]["stdout"]
    rest = ended(person)
    assert person.returncode == 130
    assert "".join([*shown, rest]).startswith(written(lines))
    assert "The run was cancelled." in rest


def test_following_ends_alone(begin, understudy, service, runs_there):
    """Ctrl-C on follow leaves what it followed running."""
    person = begin("follow", runs_there, "--url", service)
    person.stdout.readline()
    person.send_signal(signal.SIGINT)
    ended(person)
    assert (person.returncode, f"understudy cancel {runs_there}" in person.stderr.read()) == (130, True)
    assert understudy("cancel", runs_there, "--url", service, "--json").json["status"] == "cancelled"


def test_a_connection_that_breaks_is_made_again(begin, understudy, service, runs_there):
    """Cut off again and again, follow tells each event once."""
    with _cutting_proxy(service) as (url, cuts):
        machine = begin("follow", runs_there, "--url", url, "--json")
        lines = []
        while cuts() < 3:
            lines.append(json.loads(machine.stdout.readline()))
        understudy("cancel", runs_there, "--url", service)
        rest = ended(machine)
    lines += map(json.loads, rest.splitlines())
    assert [each["seq"] for each in lines] == list(range(1, len(lines) + 1))
    assert written(lines) == lines[-1]["data"]["stdout"]


@contextlib.contextmanager
def _cutting_proxy(service):
    """Something on the way that breaks each connection after a kilobyte, up to the third; gives how often it did."""
    name, port = service.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))
    count = 0

    def carry(client):
        nonlocal count
        with client, socket.create_connection((name, int(port))) as server:
            server.sendall(client.recv(65536))
            carried = 0
            while data := server.recv(65536):
                client.sendall(data)
                carried += len(data)
                if carried > 1024 and count < 3:
                    count += 1
                    return

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", lambda: count
        listener.shutdown(socket.SHUT_RDWR)


def test_an_execution_that_has_ended_is_shown(understudy, service, runs_there):
    """Follow shows the whole of what has ended, and cancel refuses."""
    understudy("cancel", runs_there, "--url", service)
    call = understudy("follow", runs_there, "--url", service, "--json")
    lines = [json.loads(line) for line in call.out.splitlines()]
    assert (lines[0]["event"], lines[-1]["data"]["status"]) == ("started", "cancelled")
    body = {"code": "1 + 1", "id": "over"}
    assert httpx.post(f"{service}/v1/executions", json=body, timeout=60).json()["status"] == "succeeded"
    call = understudy("cancel", "over", "--url", service, "--json")
    assert (call.code, json.loads(call.err)["type"]) == (2, "already-ended")
    assert understudy("follow", "over", "--url", service).code == 0


@pytest.mark.parametrize("name", ["follow", "cancel"])
def test_what_cannot_be_followed_or_cancelled(here, understudy, service, name):
    """An id that nobody has, nobody at the address, no address: bad usage, and the error names the culprit."""
    call = understudy(name, "nobody", "--url", service, "--json")
    assert (call.code, json.loads(call.err)["type"]) == (2, "unknown-execution")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    call = here(name, "nobody", "--url", f"http://127.0.0.1:{port}")
    assert (call.code, f"http://127.0.0.1:{port} does not answer" in call.err) == (2, True)
    call = here(name, "nobody", "--url", "ftp://nowhere")
    assert (call.code, "ftp://nowhere" in call.err) == (2, True)


def test_the_service_is_found_by_its_settings(here, understudy, service):
    """Without --url it is the service that the settings describe."""
    port = service.rpartition(":")[2]
    call = understudy("cancel", "nobody", "--json", UNDERSTUDY_SERVER__PORT=port)
    assert (call.code, json.loads(call.err)["type"]) == (2, "unknown-execution")
