"""Named policies come from files, and a file that is wrong says where and what to do."""

import pytest

from host.errors import ConfigurationError
from host.policy import ENFORCED_FIELDS, Enforcement, FileSystemAccess
from policies.effects import is_effect_free
from policies.files import read_policies, read_policy


def write(folder, name, text):
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_strict_is_the_seeds(named):
    """The seed's five defaults stand, and every field but the import list must be held by the guest at least."""
    strict = named["strict"]
    assert (strict.max_execution_time, strict.max_memory_mb) == (5000, 128)
    assert strict.allowed_imports == ("math", "json", "datetime")
    assert strict.network_access is False
    assert strict.file_system_access is FileSystemAccess.NONE
    levels = {field: strict.required(field) for field in ENFORCED_FIELDS}
    assert levels.pop("allowed_imports") is Enforcement.ADVICE
    assert set(levels.values()) == {Enforcement.GUEST}


def test_standard_and_data_give_the_whole_language(named):
    """Both allow any import and a work folder, no network; data has the promised memory, time and packages."""
    for name in ("standard", "data"):
        policy = named[name]
        assert policy.allowed_imports is None
        assert policy.file_system_access is FileSystemAccess.SANDBOXED
        assert policy.network_access is False
        assert all(policy.required(f) is Enforcement.GUEST for f in ENFORCED_FIELDS if f != "allowed_imports")
    data = named["data"]
    assert (data.max_memory_mb, data.max_execution_time, data.guest_environment) == (512, 30_000, "data")


def test_every_policy_says_what_it_is_for(named):
    """The four shipped policies are there and each has a description."""
    assert set(named) == {"strict", "standard", "data", "trusted"}
    assert all(policy.description for policy in named.values())


def test_trusted_is_there_only_where_it_is_allowed(shipped):
    """Without the operator's word no request can name trusted."""
    assert "trusted" not in {policy.name for policy in read_policies(shipped, None, allow_trusted=False)}


def test_effect_free_follows_from_what_is_enforced(named):
    """A policy is effect-free where network and files are held off by force; a session or mere advice ends that."""
    assert is_effect_free(named["strict"])
    assert is_effect_free(named["standard"])
    assert not is_effect_free(named["strict"], session="s")
    assert not is_effect_free(named["strict"].model_copy(update={"network_access": True}))
    advised = named["strict"].model_copy(update={"enforcement": {"network_access": Enforcement.ADVICE}})
    assert not is_effect_free(advised)


def test_an_operators_folder_adds_policies(shipped, tmp_path):
    """Files of the folder become policies under their names; what they leave out has its default."""
    write(tmp_path, "reports", 'max_memory_mb = 64\nallowed_imports = ["csv"]\n[enforcement]\nmax_memory_mb = "wall"\n')
    write(tmp_path, ".hidden", "nonsense")
    (tmp_path / "README.md").write_text("not a policy")
    found = {policy.name: policy for policy in read_policies(shipped, tmp_path, allow_trusted=False)}
    assert set(found) == {"strict", "standard", "data", "reports"}
    assert found["reports"].max_memory_mb == 64
    assert found["reports"].max_execution_time == 5000
    assert found["reports"].required("max_memory_mb") is Enforcement.WALL


@pytest.mark.parametrize("name", ["strict", "trusted"])
def test_a_name_that_is_taken_is_refused(shipped, tmp_path, name):
    """No file of the operator's replaces a shipped policy, not even one that is not allowed; both files are named."""
    write(tmp_path, name, "max_memory_mb = 64\n")
    with pytest.raises(ConfigurationError) as caught:
        list(read_policies(shipped, tmp_path, allow_trusted=False))
    assert str(tmp_path / f"{name}.toml") in str(caught.value)
    assert str(shipped / f"{name}.toml") in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_memory_mb = \n", "line 1"),
        ("a = 1\nmax_memory_mb == 3\n", "line 2"),
        ("max_memory = 3\n", "max_memory is not a field"),
        ("max_memory_mb = 0\n", "max_memory_mb"),
        ("max_execution_time = 1000000\n", "max_execution_time"),
        ('allowed_imports = "math"\n', "allowed_imports"),
        ('[enforcement]\nmax_memory_mb = "iron"\n', "enforcement.max_memory_mb"),
        ('[enforcement]\ndescription = "wall"\n', "no enforcement can be required for description"),
        ('name = "other"\n', "'other'"),
        ('egress_allow = ["example.org"]\n', "egress_allow.0"),
    ],
)
def test_a_malformed_file_says_file_place_reason_and_remedy(tmp_path, text, says):
    """The message names the file and the line or field; there is a remedy."""
    path = write(tmp_path, "mine", text)
    with pytest.raises(ConfigurationError) as caught:
        read_policy(path)
    assert str(path) in caught.value.message
    assert says in caught.value.message
    assert caught.value.remedy


def test_what_cannot_be_read_is_a_configuration_error(shipped, tmp_path):
    """Bytes that are not UTF-8, a name that no policy may have, and a missing folder stop the start with a reason."""
    (tmp_path / "latin.toml").write_bytes(b'description = "caf\xe9"\n')
    with pytest.raises(ConfigurationError, match="latin"):
        read_policy(tmp_path / "latin.toml")
    with pytest.raises(ConfigurationError, match="small letters"):
        read_policy(write(tmp_path, "Big", ""))
    with pytest.raises(ConfigurationError, match="absent"):
        list(read_policies(shipped, tmp_path / "absent", allow_trusted=False))
