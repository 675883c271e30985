"""Guest environments: what is there, how it is built, and what is said when it cannot be."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.guest import builds
from adapters.guest.builds import add, build, ensure_sql
from adapters.guest.catalogue import guests
from adapters.guest.cli import app
from adapters.guest.contract import Missing
from adapters.guest.environments import SITE, Environments, GuestEnvironmentError
from adapters.guest.python.host import PythonGuest
from host.models import ExecutionRequest
from host.policy import Policy
from host.testing import missing

pytestmark = pytest.mark.engine


@pytest.fixture
def environments(tmp_path):
    """The guest environments of an empty state folder."""
    return Environments(tmp_path)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index without network: a folder with two small wheels, which pip is told of by its own settings."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, requires in (("greeting", "farewell"), ("farewell", "")):
        info = f"{name}-1.0.dist-info"
        need = f"Requires-Dist: {requires}\n" if requires else ""
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", f"WORD = {name!r}\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{need}")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def test_base_and_sql_are_always_known(environments):
    """Two environments are listed before anyone adds one; base has nothing in it."""
    assert [(each.name, each.state, each.site) for each in environments.list()] == [
        ("base", "ready", None),
        ("sql", "missing", None),
    ]


def test_add_locks_and_builds(environments, index):
    """Adding a package locks it and what it needs with hashes and without addresses, and makes it importable."""
    data = add(environments, "data", ["greeting"])
    assert (data.state, data.packages) == ("ready", {"farewell": "1.0", "greeting": "1.0"})
    lock = (environments.folder / "data" / "lock.txt").read_text()
    assert lock.count("--hash=sha256:") == 2
    assert "://" not in lock
    assert str(index) not in lock
    code = f"import sys; sys.path.append({str(data.site)!r}); import greeting; print(greeting.WORD)"
    assert (
        subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
        == "greeting\n"
    )


def test_add_keeps_what_was_added_before(environments, index):
    """A second package is added to the first."""
    add(environments, "data", ["farewell"])
    assert add(environments, "data", ["greeting"]).packages == {"farewell": "1.0", "greeting": "1.0"}


def test_build_holds_to_the_lock(environments, index):
    """A package whose file is not the locked one is refused, and what was built before stays."""
    add(environments, "data", ["farewell"])
    with zipfile.ZipFile(index / "farewell-1.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("more.py", "")
    with pytest.raises(GuestEnvironmentError, match="guest environment `data`") as caught:
        build(environments, "data")
    assert "HASH" in str(caught.value).upper()
    assert environments.get("data").state == "ready"
    assert [path.name for path in environments.folder.iterdir() if path.name.startswith(".building")] == []


@pytest.mark.parametrize(
    ("name", "packages", "reason"),
    [
        ("base", ["x"], "is built in"),
        ("../up", ["x"], "cannot name a guest environment"),
        ("data", ["https://example.org/x.whl"], "is not a package's name"),
        ("data", ["--index-url=x"], "is not a package's name"),
        ("data", ["./x"], "is not a package's name"),
        ("data", ["no-such-package-here"], "no-such-package-here"),
    ],
)
def test_add_says_what_is_wrong(environments, index, name, packages, reason):
    """An error names the package or environment, the reason and the remedy."""
    with pytest.raises(GuestEnvironmentError) as caught:
        add(environments, name, packages)
    assert reason in caught.value.message
    assert caught.value.remedy


def test_another_python_makes_it_stale(environments, index):
    """What was built for another Python is not shown to code."""
    add(environments, "data", ["farewell"])
    manifest = environments.folder / "data" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"{sys.version_info[0]}.{sys.version_info[1]}"', '"3.1"'))
    data = environments.get("data")
    assert (data.state, data.site) == ("stale", None)
    assert "understudy guests build data" in data.remedy


def test_sql_is_copied_from_the_host(environments):
    """The environment sql holds the files of the host's own DuckDB, checked against its record, and is made once."""
    sql = ensure_sql(environments)
    assert sql.state == "ready"
    assert list(sql.packages) == ["duckdb"]
    made = (environments.folder / "sql" / "manifest.json").stat().st_ino
    ensure_sql(environments)
    assert (environments.folder / "sql" / "manifest.json").stat().st_ino == made
    ask = "print(_duckdb.connect().execute('SELECT 42').fetchall())"
    code = f"import sys; sys.path.append({str(sql.site)!r}); import _duckdb; {ask}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[(42,)]\n"


def test_packages_are_readable_by_every_user(environments, index):
    """The wall runs guests as a user of its own, who can read the environment whatever the umask was."""
    before = os.umask(0o077)
    try:
        site = add(environments, "data", ["farewell"]).site
    finally:
        os.umask(before)
    assert all(path.stat().st_mode & 0o004 for path in [site, *site.rglob("*")])


def test_a_policy_chooses_its_environment(environments, index):
    """The launch shows the environment that the policy names, and says how to get one that is missing."""
    guest = PythonGuest(environments)
    runtime = guest.find()
    policy = Policy(name="data", guest_environment="data")
    launch = guest.launch(ExecutionRequest(code="1"), policy, runtime)
    assert SITE not in launch.trees.values()
    assert b"understudy guests add data matplotlib numpy pandas pillow" in launch.frame
    add(environments, "data", ["farewell"])
    launch = guest.launch(ExecutionRequest(code="1"), policy, runtime)
    assert launch.trees[environments.folder / "data" / "lib"] == SITE


def test_commands_take_json(environments, index, tmp_path, monkeypatch):
    """Every command prints JSON when asked, errors too."""
    monkeypatch.setenv("UNDERSTUDY_STATE_DIR", str(tmp_path))
    runner = CliRunner()
    added = runner.invoke(app, ["add", "data", "farewell", "--json"])
    assert (added.exit_code, json.loads(added.stdout)[0]["packages"]) == (0, {"farewell": "1.0"})
    listed = runner.invoke(app, ["list", "--json"])
    assert [each["name"] for each in json.loads(listed.stdout)] == ["base", "data", "sql"]
    built = runner.invoke(app, ["build", "data", "--json"])
    assert (built.exit_code, json.loads(built.stdout)[0]["state"]) == (0, "ready")
    failed = runner.invoke(app, ["build", "nothing", "--json"])
    assert failed.exit_code == 1
    assert "nothing" in json.loads(failed.stdout)["detail"]


def test_the_catalogue_has_every_language(tmp_path):
    """There is one guest for each language of the product."""
    assert [guest.language for guest in guests(tmp_path)] == [
        "python",
        "sql",
        "javascript",
        "typescript",
        "bash",
        "elixir",
    ]


def test_the_python_runtime_is_whole(environments):
    """The interpreter runs the standard library from the trees that are shown, without any package of the host's."""
    runtime = PythonGuest(environments).find()
    assert not isinstance(runtime, Missing)
    assert runtime.program in runtime.trees
    assert not any("site-packages" in str(path) or "dist-packages" in str(path) for path in runtime.trees)
    stdlib = next(path for path in runtime.trees if (path / "os.py").is_file())
    for name in ("site-packages", "dist-packages"):
        assert not (stdlib / name).is_dir() or str(stdlib / name) in runtime.masked


def test_another_interpreter_can_be_used(environments):
    """A guest on another interpreter is started as a program of its own."""
    if not Path("/usr/bin/python3").exists():
        missing("the system has no Python: apt-get install python3")
    guest = PythonGuest(environments, Path("/usr/bin/python3"))
    runtime = guest.find()
    launch = guest.launch(ExecutionRequest(code="1"), Policy(name="p"), runtime)
    assert not launch.in_process
    assert launch.argv[0] == str(Path("/usr/bin/python3").resolve())
    assert launch.argv[-2:] == ("/guest/python/main.py", "run")


def test_an_interpreter_that_is_not_there_is_missing(environments, tmp_path):
    """An interpreter that does not start gives a reason and a remedy."""
    broken = tmp_path / "python"
    shutil.copy("/bin/false", broken)
    for program in (tmp_path / "nothing", broken):
        found = PythonGuest(environments, program).find()
        assert isinstance(found, Missing)
        assert found.remedy


FONT_MANAGER = """
import json, os, pathlib, socket
folder = pathlib.Path(os.environ["MPLCONFIGDIR"])
fonts = [{"fname": name} for name in ("fonts/own.ttf", "/usr/share/fonts/host.ttf", "../up.ttf")]
seen = {"environment": sorted(os.environ), "home": os.path.exists("/home"), "etc": os.path.exists("/etc/passwd")}
try:
    open(__file__, "a")
    seen["written"] = True
except OSError:
    seen["written"] = False
seen["addresses"] = [name for _, name in socket.if_nameindex()]
(folder / "fontlist-v3.json").write_text(json.dumps({"ttflist": fonts, "afmlist": [], "seen": seen}))
(folder / "other.json").symlink_to("/etc/passwd")
"""
"""A package that makes a list of fonts, says what it sees, and leaves something else."""


def put_font_manager(library, code):
    """A package ``matplotlib`` with a font manager of our own."""
    if shutil.which("bwrap") is None:
        missing("bubblewrap is not installed: apt-get install bubblewrap")
    (library / "matplotlib").mkdir(parents=True)
    (library / "matplotlib" / "__init__.py").write_text("")
    (library / "matplotlib" / "font_manager.py").write_text(code)


def test_the_list_of_fonts_is_made_behind_a_wall(environments, tmp_path):
    """What a package's code makes for an environment is made without network, files and variables of the host, and only
    fonts of the package's own are taken.
    """
    put_font_manager(tmp_path / "env" / "lib", FONT_MANAGER)
    builds.complete(tmp_path / "env", {"matplotlib": "0"}, "lock")
    folder = tmp_path / "env" / "lib" / ".matplotlib"
    assert [path.name for path in folder.iterdir()] == ["fontlist-v3.json"]
    made = json.loads((folder / "fontlist-v3.json").read_text())
    assert made["ttflist"] == [{"fname": "fonts/own.ttf"}]
    assert made["seen"]["addresses"] == ["lo"]
    assert not any(made["seen"][name] for name in ("home", "etc", "written"))
    assert set(made["seen"]["environment"]) <= {"LC_CTYPE", "MPLCONFIGDIR", "OPENBLAS_NUM_THREADS", "PWD"}


@pytest.mark.parametrize(
    "code",
    [
        "1/0",
        "import os; os.mkfifo(os.environ['MPLCONFIGDIR'] + '/fontlist-v3.json')",
        "import os; os.symlink('/etc/passwd', os.environ['MPLCONFIGDIR'] + '/fontlist-v3.json')",
        "import os; open(os.environ['MPLCONFIGDIR'] + '/fontlist-v3.json', 'w').write('[7]')",
    ],
)
def test_an_environment_works_without_the_list(environments, tmp_path, code):
    """Where no list of fonts comes of it, the environment is whole without one."""
    put_font_manager(tmp_path / "env" / "lib", code)
    builds.complete(tmp_path / "env", {"matplotlib": "0"}, "lock")
    assert not (tmp_path / "env" / "lib" / ".matplotlib").exists()
    assert json.loads((tmp_path / "env" / "manifest.json").read_text())["packages"] == {"matplotlib": "0"}


@pytest.mark.parametrize("archive", [{"hashes": {"sha256": "ab"}}, {"hash": "sha256=ab"}])
def test_reports_of_old_and_new_pip_are_read(archive):
    """Debian 12's pip reports the hash of a package as one text, later ones as a map."""
    assert builds._sha256(archive) == "ab"
