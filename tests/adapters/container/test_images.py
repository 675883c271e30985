"""What images hold, how they are made, and which of them serve."""

import asyncio
import io
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.container import building
from adapters.container.building import build, plan
from adapters.container.context import Context
from adapters.container.digests import Digests
from adapters.container.images import LABELS, Image, Images, environment_of, missing, missing_error, repository
from adapters.container.ours import LANGUAGES, guest_key, own_files
from adapters.container.rootfs import Entry, layer
from adapters.guest.catalogue import guests
from host.errors import AdapterError
from host.testing import missing as lacking


@pytest.fixture(scope="session", params=LANGUAGES)
def planned(request: pytest.FixtureRequest, image_folder: Path):
    """The plan of each language's image."""
    try:
        return plan(request.param, image_folder)
    except AdapterError as error:
        lacking(str(error))


def _places(planned) -> dict[str, Entry]:
    return {place: entry for each in planned.layers for place, entry in each.entries.items()}


def test_there_is_an_image_for_every_guest():
    """The languages with an image are those of the catalogue."""
    assert sorted(LANGUAGES) == sorted(guest.language for guest in guests(Path("/nowhere")))


def test_our_files_are_all_in_it(planned):
    """What makes an image fit a host is in it, each file at the place where it is expected, with our own content."""
    places = _places(planned)
    for path, inside in own_files(planned.facts["language"]).items():
        assert places[inside.lstrip("/")].source == path.resolve()


def test_nothing_of_the_host_is_in_it(planned, image_folder: Path):
    """No package of the host's interpreter, none of our files that run in the host, no test of a standard library."""
    language = planned.facts["language"]
    ours = {path.resolve() for path in own_files(language)}
    product = Path(building.__file__).resolve().parents[2]
    for place, entry in _places(planned).items():
        assert "site-packages" not in place
        assert "dist-packages" not in place
        assert "/lib-dynload/../" not in place
        assert not place.endswith("/test/__init__.py")
        source = entry.source
        if source and any(source.is_relative_to(product / name) for name in ("adapters", "host")):
            assert source in ours


def test_everything_is_readable_and_nothing_is_privileged(planned):
    """Files and folders are for everybody to read and for nobody to write, and no file gives another user's rights."""
    for entry in _places(planned).values():
        assert entry.kind == "link" or entry.mode in (0o755, 0o644)


def test_no_shell_where_the_language_needs_none(planned):
    """Only Bash's image has a shell."""
    shells = [place for place in _places(planned) if place.rpartition("/")[2] in ("sh", "bash", "dash", "busybox")]
    assert bool(shells) == (planned.facts["language"] == "bash")


def test_python_is_compiled_beforehand(planned):
    """Every module of the standard library and of ours has a compiled form, taken without a look at its source."""
    places = _places(planned)
    made = [entry.source for entry in places.values() if entry.made]
    assert all(path.read_bytes()[4:8] == b"\1\0\0\0" for path in made)  # unchecked: the flags after the magic number
    stems = {place.partition(".cpython-")[0].replace("__pycache__/", "") for place, each in places.items() if each.made}
    wanted = {inside.lstrip("/").removesuffix(".py") for inside in own_files("python").values()}
    if planned.facts["language"] == "python":
        assert wanted <= stems
        assert any(stem.endswith("/encodings/utf_8") for stem in stems)


def test_the_context_is_the_same_each_time(tmp_path: Path):
    """The stream depends on content alone: not on times, owners or the order on disk; and is as long as it says."""

    def made(name: str) -> bytes:
        folder = tmp_path / name
        folder.mkdir()
        for each in sorted("abc", reverse=name == "two"):
            (folder / each).write_text(each * 700)
        entries = {f"opt/{each}": Entry("file", folder / each, 0o644) for each in "cab"}
        context = Context("FROM scratch\n", [layer("one", {**entries, "opt/l": Entry("link", target="a")})])
        stream = b"".join(context.pieces())
        assert len(stream) == context.length
        return stream

    first = made("one")
    assert first == made("two")
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        members = archive.getmembers()
    below = ("", "/a", "/b", "/c", "/l")
    assert [each.name for each in members] == ["Dockerfile", "one", *(f"one/opt{place}" for place in below)]
    assert {(each.mtime, each.uid, each.gid, each.uname) for each in members} == {(0, 0, 0, "")}


def test_the_context_is_never_held_whole(planned):
    """The stream comes in pieces of a few megabytes, whatever the length of its files."""
    pieces = planned.context.pieces()
    assert max(len(next(pieces)) for _ in range(20)) < 4 << 20


def test_a_file_that_shrinks_under_way_ends_the_stream(tmp_path: Path):
    """A stream that could not be what it announced ends with an error that names the file."""
    path = tmp_path / "big"
    path.write_bytes(bytes(4 << 20))
    pieces = Context("FROM scratch\n", [layer("one", {"big": Entry("file", path)})]).pieces()
    next(pieces)
    path.write_bytes(b"")
    with pytest.raises(OSError, match="big"):
        list(pieces)


def test_hashes_are_worked_out_again_when_a_file_changes(tmp_path: Path):
    """A hash is remembered over uses, and not believed once the file is another."""
    path, record = tmp_path / "file", tmp_path / "digests.json"
    path.write_text("one")
    first = Digests(record)
    before = first.of(path)
    first.keep()
    assert str(path) in json.loads(record.read_text())
    assert Digests(record).of(path) == before
    path.write_text("two")
    assert Digests(record).of(path) != before


def test_another_content_is_another_image(monkeypatch: pytest.MonkeyPatch, image_folder: Path):
    """The tag is the hash of all that is in the image and of how it is started."""
    before = plan("python", image_folder)
    assert plan("python", image_folder).reference == before.reference
    monkeypatch.setattr(building, "_FLAGS", (*building._FLAGS, "more"))
    assert plan("python", image_folder).reference != before.reference


def test_elsewhere_than_on_linux_it_begins_from_a_base(monkeypatch: pytest.MonkeyPatch, image_folder: Path):
    """A machine whose runtimes do not run in containers says how an image is made all the same."""
    monkeypatch.setattr("adapters.container.building.platform.system", lambda: "Darwin")
    with pytest.raises(AdapterError, match="Darwin") as raised:
        plan("python", image_folder)
    assert "--base python:" in raised.value.remedy
    made = plan("python", image_folder, base="python:3.13-slim")
    assert made.dockerfile.startswith("FROM python:3.13-slim\n")
    assert {each.source for each in _places(made).values() if each.source} >= set(own_files("python"))


def test_an_environment_that_was_not_built(image_folder: Path):
    """An image with packages that nobody added says how to add them."""
    with pytest.raises(AdapterError, match="data is missing") as raised:
        plan("python", image_folder, environment="data")
    assert "understudy guests add data" in raised.value.remedy


def test_elixir_begins_from_no_base(image_folder: Path):
    """Its guest is compiled for one Elixir, and the error says so."""
    with pytest.raises(AdapterError, match="compiled for the Elixir"):
        plan("elixir", image_folder, base="elixir:1.17")


def test_names():
    """A name tells language and environment; those that have no choice of one do not tell it."""
    assert repository("python") == "understudy-guest-python"
    assert repository("python", "data") == "understudy-guest-python-data"
    assert repository("sql", "data") == "understudy-guest-sql"
    assert repository("bash", "data", "registry.example/team/guest") == "registry.example/team/guest-bash"
    assert environment_of("sql", "base") == "sql"
    assert environment_of("javascript", "data") == "base"


def _image(language: str = "python", hour: int = 0, tag: str = "", **facts: str) -> Image:
    known = {"language": language, "environment": "base", "guest": guest_key(language), "machine": "x86_64", **facts}
    labels = {f"understudy.{name}": known.get(name, "") for name in LABELS}
    created = datetime(2026, 1, 1, hour, tzinfo=UTC).timestamp()
    return Image.of({"Id": f"sha256:{hour}", "RepoTags": [f"x:{tag or hour}"], "Created": created, "Labels": labels})


def test_the_newest_that_fits_serves():
    """Of the images with this host's guest the newest serves; others are superseded, or stale."""
    old, new, strange = _image(hour=1), _image(hour=2), _image(hour=3, guest="0")
    images = Images([old, new, strange], "x86_64")
    assert images.current("python") == new
    assert [images.state(each) for each in (old, new, strange)] == ["superseded", "current", "stale"]
    assert images.finding("python").ok
    assert images.current("python", "data") is None
    assert images.current("sql") is None


def test_what_was_built_last_serves_even_if_it_was_made_before():
    """Building what is there already makes it the one that serves: ``latest`` names it."""
    old, new = _image(hour=1, tag="latest"), _image(hour=2)
    images = Images([old, new], "x86_64")
    assert images.current("python") == old
    assert images.state(new) == "superseded"


def test_an_image_for_another_processor_does_not_serve():
    """An engine can have images for another machine; they are not for it."""
    images = Images([_image(machine="aarch64")], "x86_64")
    assert images.current("python") is None


def test_an_image_that_is_not_there_is_named_with_its_remedy():
    """Nothing, or nothing that fits: the finding has the command that builds it."""
    assert missing("python", "data").remedy == "understudy image build python --environment data"
    assert Images([], "x86_64").finding("sql").remedy == "understudy image build sql"
    stale = Images([_image(guest="0")], "x86_64").finding("python")
    assert "another version" in stale.reason
    assert "understudy image build python" in str(missing_error("python"))


# --- with an engine ---------------------------------------------------------------------------------------------------


async def _run(engine, image: Image, shut_in, command: list[str], **host) -> tuple[int, str]:
    """Run a command in a container of the image; its exit code and output."""
    config = {"Image": image.id, "Entrypoint": command, **shut_in, "HostConfig": {**shut_in["HostConfig"], **host}}
    container = await engine.containers.create(config=config)
    try:
        await container.start()
        code = (await container.wait())["StatusCode"]
        return code, "".join(await container.log(stdout=True, stderr=True))
    finally:
        await container.delete(force=True)


async def _python(engine, image: Image) -> str:
    return (await engine.images.inspect(image.id))["Config"]["Entrypoint"][0]


async def test_every_language_has_an_image(engine, images):
    """Each image is listed, serves, and says what it is."""
    known = await Images.read(engine)
    for language, image in images.items():
        found = known.current(language)
        assert found is not None
        assert found.facts == image.facts
        assert found.facts["content"].startswith(image.reference.rpartition(":")[2])
        assert found.facts["runtime"]
        assert known.state(found) == "current"


async def test_an_image_holds_what_was_planned_and_nothing_else(engine, images, image_folder: Path):
    """The files of a container are those of the plan, byte for byte as long; the engine adds its own mount points."""
    wanted = _places(await asyncio.to_thread(plan, "bash", image_folder))
    container = await engine.containers.create(config={"Image": images["bash"].id})
    try:
        async with engine._query(f"containers/{container.id}/export") as answer:
            content = io.BytesIO(await answer.read())
    finally:
        await container.delete(force=True)
    with tarfile.open(fileobj=content) as exported:
        found = {each.name.rstrip("/"): each for each in exported.getmembers()}
    added = {name for name in found if name not in wanted}
    assert {name.partition("/")[0] for name in added} <= {".dockerenv", "dev", "etc", "proc", "sys", "run"}
    assert set(wanted) <= set(found)
    for place, entry in wanted.items():
        if entry.source:
            assert found[place].size == entry.source.stat().st_size
            assert found[place].mode & 0o7777 == entry.mode
        assert (found[place].uid, found[place].gid) == (0, 0)


_LOOK = """
import json, os, sys, zoneinfo
import ssl, sqlite3, ctypes, decimal, zlib
print(json.dumps([sys.version.split()[0], os.getuid(), sorted(os.listdir("/work")), os.access("/tmp", os.W_OK),
                  zoneinfo.__cached__, os.path.exists("/etc/passwd"), "site" in sys.modules]))
"""


@pytest.mark.parametrize("runtime", ["runc", "crun"])
async def test_the_interpreter_runs_in_it(engine, images, shut_in, runtime):
    """Python starts on each runtime as nobody, with its standard library and nothing that it could write to."""
    if runtime not in (await engine.system.info())["Runtimes"]:
        lacking(f"the engine has no runtime {runtime}; `scripts/engine start` registers it")
    image = images["python"]
    command = [await _python(engine, image), "-I", "-S", "-c", _LOOK]
    code, said = await _run(engine, image, shut_in, command, Runtime=runtime)
    assert code == 0, said
    version, uid, work, writable, cached, passwd, site = json.loads(said)
    assert (version, uid, work, writable, passwd, site) == (image.facts["python"], 65532, [], False, False, False)
    assert cached.endswith(".pyc")


@pytest.mark.parametrize(
    ("language", "command", "said"),
    [
        ("javascript", ["/runtime/deno", "eval", "console.log(6 * 7)"], "42"),
        ("typescript", ["/runtime/deno", "eval", "const n: number = 42; console.log(n)"], "42"),
        ("bash", ["/usr/bin/bash", "-c", "echo 6*7 | bc; /bin/sh -c 'echo ok'"], "42\nok"),
        ("elixir", ["/bin/sh"], None),
        ("sql", [None, "-I", "-S", "-c", "import sys; sys.path.append('/guest/site'); import duckdb; print(42)"], "42"),
    ],
)
async def test_each_runtime_runs_in_its_image(engine, images, shut_in, language, command, said):
    """What a language needs is in its image, and starts; there is no shell where it needs none."""
    image = images[language]
    command = [part or await _python(engine, image) for part in command]
    if said is None:
        with pytest.raises(Exception, match=r"(?i)no such file"):
            await _run(engine, image, shut_in, command)
        return
    code, out = await _run(engine, image, shut_in, command, Tmpfs={"/tmp": "size=16m"})
    assert code == 0, out
    assert out.strip() == said


async def test_what_is_there_is_not_built_again(engine, images, image_folder: Path):
    """A second build of the same content leaves the image as it is."""
    lines: list[str] = []
    planned = await asyncio.to_thread(plan, "python", image_folder)
    again = await build(engine, planned, lines.append)
    assert again.id == images["python"].id
    assert lines == ["is there already"]


async def test_layers_that_an_engine_has_are_not_sent_again(
    engine, images, monkeypatch: pytest.MonkeyPatch, image_folder
):
    """Of an image with another way to start nothing but its last lines is sent."""
    monkeypatch.setattr(building, "_FLAGS", (*building._FLAGS, "again"))
    planned = await asyncio.to_thread(plan, "python", image_folder, prefix="understudy-test")
    lines: list[str] = []
    made = await build(engine, planned, lines.append)
    try:
        assert not any("COPY" in line for line in lines)
        assert abs(made.size_bytes - images["python"].size_bytes) < 1000
    finally:
        for name in (planned.reference, f"{planned.reference.rpartition(':')[0]}:latest"):
            await engine.images.delete(name, force=True)


@pytest_asyncio.fixture(loop_scope="session")
async def base(engine, images):
    """An image that has python3 on its path and nothing else of ours: what others begin from."""
    python = await _python(engine, images["python"])
    link = layer("one", {"usr/local/bin/python3": Entry("link", target=python)})
    dockerfile = f"FROM {images['python'].reference}\nCOPY one/ /\nENV PATH=/usr/local/bin\nUSER 1234\n"
    await building._send(engine, Context(dockerfile, [link]), lambda line: None, {"t": "understudy-test-base:1"})
    yield "understudy-test-base:1"
    await engine.images.delete("understudy-test-base:1", force=True)


async def test_an_image_that_begins_from_another(engine, base, image_folder: Path, shut_in):
    """On a base with Python 3.9 or later our files are added and compiled by its interpreter, and it fits this host."""
    planned = await asyncio.to_thread(plan, "python", image_folder, base=base, prefix="understudy-test-on")
    made = await build(engine, planned, lambda line: None)
    try:
        assert made.fits
        look = "import os; print(os.getuid(), len(os.listdir('/guest/runner/__pycache__')) > 3)"
        code, said = await _run(engine, made, shut_in, ["python3", "-I", "-S", "-c", look])
        assert (code, said.split()) == (0, ["65532", "True"])
    finally:
        for name in (planned.reference, f"{planned.reference.rpartition(':')[0]}:latest"):
            await engine.images.delete(name, force=True)


async def test_a_base_that_lacks_the_language(engine, base, image_folder: Path):
    """The build ends with what the base lacks, and leaves no image."""
    planned = await asyncio.to_thread(plan, "javascript", image_folder, base=base, prefix="understudy-test-on")
    lines: list[str] = []
    with pytest.raises(AdapterError) as raised:
        await build(engine, planned, lines.append)
    assert planned.reference in raised.value.message
    assert any("the base has no deno" in line for line in lines)
    assert not await engine.images.list(filters={"reference": ["understudy-test-on-javascript"]})


async def test_an_image_whose_interpreter_does_not_start(engine, images, image_folder: Path, monkeypatch):
    """What was built is tried once; an image that does not start is said so and not kept."""
    monkeypatch.setattr(building, "_PROOF", "import sys; sys.exit('broken on purpose')")
    planned = await asyncio.to_thread(plan, "python", image_folder, prefix="understudy-test")
    with pytest.raises(AdapterError, match="broken on purpose") as raised:
        await build(engine, planned, lambda line: None)
    assert "exit code 1" in raised.value.message
    assert not await engine.images.list(filters={"reference": ["understudy-test-python"]})


async def test_a_base_that_cannot_be_had(engine, image_folder: Path):
    """A base that no registry gives ends in an error that has the engine's words."""
    planned = await asyncio.to_thread(plan, "python", image_folder, base="127.0.0.1:1/nobody/base:1")
    with pytest.raises(AdapterError, match="connection refused") as raised:
        await build(engine, planned, lambda line: None)
    assert "registry" in raised.value.remedy
