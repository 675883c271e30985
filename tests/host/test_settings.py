"""Settings: layers, origins, errors, masks."""

import itertools
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.errors import ConfigurationError
from host.layers import flatten
from host.resources import config_folder
from host.settings import Argument, ServerSettings, Settings, load_settings

DEFAULT_FILE = config_folder() / "default.toml"


def write(folder: Path, text: str) -> Path:
    """A configuration file with ``text``."""
    path = folder / "local.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_default_file_and_the_models_agree():
    """Every setting stands in default.toml with the default that the models have, and nothing else stands there."""
    in_file = dict(flatten(tomllib.loads(DEFAULT_FILE.read_text(encoding="utf-8"))))
    in_models = dict(flatten(Settings().model_dump()))
    assert set(in_file) == set(in_models)
    assert load_settings(environ={}).model_dump() == Settings().model_dump()


def test_every_setting_is_described():
    """In default.toml a comment stands above each setting or above a run of them."""
    lines = DEFAULT_FILE.read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if "=" in line and not line.startswith("#") and not above.startswith(("#", "[adapters."))
    ]
    assert bare == []


def test_origins_name_the_layer(tmp_path):
    """Each key says where its value came from: default, file and line, variable, argument."""
    path = write(tmp_path, '[server]\nhost = "::1"\n\n[logs]\nlevel = "info"\n')
    settings = load_settings(
        path,
        {"UNDERSTUDY_STORE__RETAIN_DAYS": "7"},
        {"server.port": Argument("1234", "--port"), "logs.format": "json"},
    )
    assert settings.origins["server.host"] == f"file {path}:2"
    assert settings.origins["logs.level"] == f"file {path}:5"
    assert settings.origins["store.retain_days"] == "environment UNDERSTUDY_STORE__RETAIN_DAYS"
    assert settings.origins["server.port"] == "argument --port"
    assert settings.origins["logs.format"] == "argument logs.format"
    assert settings.origins["locale"] == "default"
    assert (settings.server.host, settings.server.port, settings.store.retain_days) == ("::1", 1234, 7)


LAYERED = st.fixed_dictionaries(
    {
        "server.port": st.lists(st.none() | st.integers(0, 65535), min_size=3, max_size=3),
        "policies.allow_trusted": st.lists(st.none() | st.booleans(), min_size=3, max_size=3),
        "locale": st.lists(st.none() | st.sampled_from(["de-DE", "fr", "en-GB"]), min_size=3, max_size=3),
        "adapters.prefer": st.lists(
            st.none() | st.lists(st.sampled_from(["sandbox", "monty", "lambda"]), unique=True), min_size=3, max_size=3
        ),
        "adapters.monty.depth": st.lists(st.none() | st.integers(-5, 5), min_size=3, max_size=3),
    }
)


def toml_text(values: dict) -> str:
    """Dotted keys as TOML."""
    words = {key: str(value).lower() if isinstance(value, bool) else repr(value) for key, value in values.items()}
    return "".join(f"{key} = {word}\n" for key, word in words.items())


@given(layers=LAYERED)
def test_the_last_layer_that_gives_a_key_wins(tmp_path_factory, layers):
    """Precedence: for each key by itself, argument over environment over file over default, and the origin says so."""
    given_by = [{key: values[n] for key, values in layers.items() if values[n] is not None} for n in range(3)]
    path = write(tmp_path_factory.mktemp("config"), toml_text(given_by[0]))
    environ = {
        "UNDERSTUDY_" + key.upper().replace(".", "__"): ",".join(value) if isinstance(value, list) else str(value)
        for key, value in given_by[1].items()
    }
    settings = load_settings(path, environ, given_by[2])
    shown = dict(flatten(settings.model_dump(mode="json")))
    defaults = dict(flatten(Settings().model_dump(mode="json")))
    for key in layers:
        origin, expected = "default", defaults.get(key)
        for name, layer in zip(("file", "environment", "argument"), given_by, strict=True):
            if key in layer:
                origin, expected = name, layer[key]
        assert shown.get(key) == expected
        assert settings.origins.get(key, "default").split(" ")[0] == origin


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"UNDERSTUDY_SERVER__PROT": "1"}, "Did you mean server.port?"),
        ({"UNDERSTUDY_PORT": "1"}, "Did you mean server.port?"),
        ({"UNDERSTUDY_SERVER__PORT": "many"}, "server.port = 'many' (environment UNDERSTUDY_SERVER__PORT) is wrong"),
        ({"UNDERSTUDY_SERVER__PORT": "70000"}, "less than or equal to 65535"),
        ({"UNDERSTUDY_SERVER__PORT__X": "1"}, "server.port is a single value"),
        ({"UNDERSTUDY_SERVER": "x"}, "Setting server = 'x'"),
        ({"UNDERSTUDY_ADAPTERS__SANDBOX__ENABLED": "perhaps"}, "adapters.sandbox.enabled = 'perhaps'"),
        ({"UNDERSTUDY_LOGS__LEVEL": "loud"}, "'debug', 'info', 'warning' or 'error'"),
        ({"UNDERSTUDY_CONFIG": "/nowhere/at/all.toml"}, "/nowhere/at/all.toml does not exist"),
    ],
)
def test_a_wrong_setting_is_named_with_origin_and_remedy(environ, says):
    """Unknown keys and wrong values are configuration errors that name key, origin and reason."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ=environ)
    assert says in str(caught.value)
    assert caught.value.remedy or "UNDERSTUDY_CONFIG" in environ


def test_a_wrong_file_is_named_with_its_line(tmp_path):
    """A wrong type in a file is not coerced, and the error names file and line."""
    path = write(tmp_path, '[server]\n\nport = "8080"\n')
    with pytest.raises(ConfigurationError, match=r"server\.port = '8080' \(file .*local\.toml:3\)"):
        load_settings(path, {})
    path.write_text("port = = 3", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load_settings(path, {})


def test_secrets_are_not_shown():
    """Keys, tokens and passwords in addresses stand neither in reprs nor in what is shown."""
    settings = load_settings(
        environ={
            "UNDERSTUDY_SERVER__API_KEYS": "hush-hush",
            "UNDERSTUDY_STORE__URL": "postgresql://u:hush-hush@db/x",
            "UNDERSTUDY_ADAPTERS__FAR__ACCESS_TOKEN": "hush-hush",
        }
    )
    assert settings.server.api_keys[0].get_secret_value() == "hush-hush"
    assert settings.adapters.table("far") == {"access_token": "hush-hush"}
    for text in (repr(settings), str(settings), repr(settings.store), repr(settings.shown()), repr(settings.adapters)):
        assert "hush-hush" not in text


def test_text_is_read_as_the_type_of_its_key():
    """Lists come with commas or as JSON, switches in plain words, and free keys as JSON where they are JSON."""
    environ = {
        "UNDERSTUDY_ADAPTERS__PREFER": "monty, placeholder",
        "UNDERSTUDY_PLUGINS__DISABLED": '["one", "two"]',
        "UNDERSTUDY_PLUGINS__ENTRY_POINTS": "Off",
        "UNDERSTUDY_ADAPTERS__MONTY__ENABLED": "no",
        "UNDERSTUDY_ADAPTERS__SANDBOX__SPARES": "4",
        "UNDERSTUDY_ADAPTERS__SANDBOX__UID": "sand",
    }
    settings = load_settings(environ=environ)
    assert settings.adapters.prefer == ("monty", "placeholder")
    assert settings.plugins.disabled == ("one", "two")
    assert settings.plugins.entry_points is False
    assert not settings.adapters.enabled("monty")
    assert settings.adapters.table("sandbox") == {"enabled": True, "spares": 4, "uid": "sand"}


def test_an_adapter_that_costs_money_needs_consent():
    """Without a table an adapter is enabled, unless it is opt-in."""
    settings = load_settings(environ={"UNDERSTUDY_ADAPTERS__AGENTCORE__ENABLED": "true"})
    assert settings.adapters.enabled("other")
    assert not settings.adapters.enabled("other", opt_in=True)
    assert settings.adapters.enabled("agentcore", opt_in=True)


def test_paths_in_a_file_start_at_the_file(tmp_path):
    """A relative path in a file means the file's folder; in the environment it means the working folder."""
    path = write(tmp_path, '[policies]\nfolder = "mine"\n')
    assert load_settings(path, {}).policies.folder == tmp_path / "mine"
    assert load_settings(None, {"UNDERSTUDY_POLICIES__FOLDER": "mine"}).policies.folder == Path.cwd() / "mine"
    assert load_settings(path, {"UNDERSTUDY_POLICIES__FOLDER": ""}).policies.folder is None


def test_overrides_leave_the_rest_alone():
    """with_overrides replaces what it names and keeps other values with their origins."""
    settings = load_settings(environ={"UNDERSTUDY_LOCALE": "de-DE"}).with_overrides(
        {"server__port": 9, "logs": {"level": "error"}}
    )
    assert (settings.server.port, settings.logs.level, settings.locale) == (9, "error", "de-DE")
    assert settings.origins["locale"] == "environment UNDERSTUDY_LOCALE"
    assert settings.origins["server.port"] == "argument server.port"


def test_settings_are_frozen():
    """Nothing can be changed once it is built."""
    with pytest.raises(ValueError, match="frozen"):
        ServerSettings().port = 1
    with pytest.raises(TypeError):
        load_settings(environ={}).adapters.table("sandbox")["enabled"] = False


def test_the_example_file_is_valid():
    """The example of an operator's own file can be used as it stands."""
    settings = load_settings(config_folder() / "local.example.toml", {})
    assert settings.policies.folder == config_folder() / "policies"
    assert not settings.adapters.enabled("monty")
