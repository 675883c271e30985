"""What the table of an adapter may say is read by one model, whoever wrote it."""

import pytest
from pydantic import Field

from host.errors import AdapterError
from host.tables import AdapterTable


class _Settings(AdapterTable):
    table = "echo"
    page = "docs/echo.md"

    most: int = Field(default=4, ge=1)
    loud: bool = False
    name: str = ""
    languages: tuple[str, ...] = ()


def test_defaults_and_values():
    """What a table does not say has its default; what it says is read."""
    assert _Settings.read({}) == _Settings()
    assert _Settings.read({"enabled": False, "most": 9, "languages": ["bash"]}).languages == ("bash",)


def test_text_of_variables():
    """Numbers, switches and lists are read from text; a name may look like a number."""
    read = _Settings.read({"most": "9", "loud": "true", "name": 7, "languages": "python, bash"})
    assert (read.most, read.loud, read.name, read.languages) == (9, True, "7", ("python", "bash"))


@pytest.mark.parametrize(
    ("table", "name"),
    [({"most": 0}, "most"), ({"moost": 3}, "moost"), ({"languages": 3}, "languages"), ({"most": True}, "most")],
)
def test_what_is_wrong_is_named(table, name):
    """The error names the setting and the page that explains it, and says that no program has started."""
    with pytest.raises(AdapterError, match=rf"adapters\.echo\.{name} is wrong: ") as caught:
        _Settings.read(table)
    assert caught.value.remedy == "docs/echo.md says what it may be."
    assert caught.value.may_have_started is False


def test_without_a_page_the_settings_are_listed():
    """An adapter without a page of its own tells the names that there are."""

    class Bare(AdapterTable):
        table = "bare"
        most: int = 1

    with pytest.raises(AdapterError) as caught:
        Bare.read({"least": 1})
    assert caught.value.remedy == "There are enabled, most."


def test_a_secret_is_not_told():
    """The value that is wrong is in no message: it may be a secret that stands in the wrong place."""
    with pytest.raises(AdapterError) as caught:
        _Settings.read({"most": "hunter2"})
    assert "hunter2" not in f"{caught.value} {caught.value.remedy}"
