"""What the table ``[adapters.NAME]`` of a configuration may say: one model for each adapter, one way to read it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from host.errors import AdapterError
from host.layers import read_list

__all__ = ["AdapterTable"]


class AdapterTable(BaseModel):
    """The settings of an adapter, each with its default. A model for an adapter names its fields and ``table``.

    A name that the adapter does not have is an error, so that a slip of the pen never leaves a limit at its default.
    Numbers, switches and lists may come as text, as they do from environment variables.

    Attributes:
        table: the adapter's name, as in ``[adapters.NAME]``.
        page: where the settings are explained; "" lists them where one is wrong.
        enabled: whether the adapter is used; the host has read it before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)
    table: ClassVar[str]
    page: ClassVar[str] = ""

    enabled: bool = Field(default=True, description="whether it is used")

    @field_validator("*", mode="before")
    @classmethod
    def _from_text(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind in (int, float):
            raise ValueError("a number is wanted, and no switch")
        return read_list(value) if isinstance(value, str) and get_origin(kind) is tuple else value

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Self:
        """The settings in a table of the configuration.

        Raises:
            AdapterError: one is unknown or wrong; it names the first.
        """
        try:
            return cls.model_validate(dict(table))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(map(str, first["loc"]))
            raise AdapterError(
                f"adapters.{cls.table}.{name} is wrong: {first['msg']}.",
                remedy=f"{cls.page} says what it may be." if cls.page else f"There are {', '.join(cls.model_fields)}.",
                may_have_started=False,
            ) from None
