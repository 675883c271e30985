"""The plugin: its hooks, its lightness, and what it says of a request's files."""

import subprocess
import sys

import pytest

import policies.plugin as plugin
from host import hookspecs
from host.models import ExecutionRequest, File
from host.settings import load_settings


def test_every_hook_of_the_plugin_is_known():
    """Each function that the plugin marks has a specification of that name."""
    marked = [name for name, item in vars(plugin).items() if hasattr(item, "understudy_impl")]
    assert set(marked) == set(plugin.__all__)
    assert all(hasattr(getattr(hookspecs, name), "understudy_spec") for name in marked)


def test_importing_the_plugin_imports_nothing_heavy():
    """The CLI's help loads every plugin, so neither pydantic nor a parser comes with this one."""
    heavy = ("pydantic", "sqlglot", "tree_sitter", "tomllib", "asyncio")
    show = f"import sys; import policies.plugin; print([name for name in {heavy!r} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_settings_say_which_policies_there_are(tmp_path):
    """The folder and the word of the operator come from the settings."""
    (tmp_path / "mine.toml").write_text("max_memory_mb = 64\n")
    plain = load_settings()
    assert [policy.name for policy in plugin.named_policies(plain)] == ["data", "standard", "strict"]
    wide = load_settings(overrides={"policies.folder": str(tmp_path), "policies.allow_trusted": True})
    assert {policy.name for policy in plugin.named_policies(wide)} == {"data", "mine", "standard", "strict", "trusted"}


def request(*files):
    return ExecutionRequest(code="1", files=tuple(File(path=path, content=content) for path, content in files))


def test_strict_takes_no_files(named):
    """Files under file_system_access none are refused with the reason and the remedy; without files nothing is."""
    refusal = plugin.check_policy(request(("a.csv", b"1")), named["strict"])
    assert refusal.rule == "files-not-allowed"
    assert "standard" in refusal.remedy
    assert plugin.check_policy(request(), named["strict"]) is None
    assert plugin.check_policy(request(("a.csv", b"1")), named["standard"]) is None


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        ([("a", b"x" * 11)], "files-too-large"),
        ([("a/b/c", b"")], "too-many-files"),
        ([("a", b""), ("a", b"")], "files-clash"),
        ([("a", b""), ("a/b", b"")], "files-clash"),
    ],
)
def test_files_that_cannot_be_laid_out_are_refused(named, files, rule):
    """More bytes or files than the work folder may hold, and paths that clash."""
    policy = named["standard"].model_copy(update={"max_file_bytes": 10, "max_files": 2})
    assert plugin.check_policy(request(*files), policy).rule == rule
