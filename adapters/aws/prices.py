"""What a run costs, from tables of prices with their date. What is not known is None, never a guess.

The tables are data: ``prices.toml`` beside this file, and what an operator sets in its place as ``prices`` in an
adapter's table, the name of a file of the same form or a table.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from host.errors import AdapterError
from host.models import Priced

__all__ = ["Cost", "Prices"]

_OURS = Path(__file__).with_name("prices.toml")
_EXACT = Decimal("1e-12")


class Cost(NamedTuple):
    """What a run costs.

    Attributes:
        amount: None where it is not known.
        currency: of the amount, as ``USD``.
        as_of: the date of the prices; None where there are none.
        region: where the prices hold. It is not the run's where those of its region are not known.
    """

    amount: Decimal | None
    currency: str
    as_of: date | None
    region: str


def _exact(value: Any) -> Any:
    """A price as it is written, and not the binary number next to it."""
    return str(value) if isinstance(value, float) else value


_Price = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, allow_inf_nan=False)]
_Strict = ConfigDict(frozen=True, extra="forbid")


class _PriceOf(BaseModel):
    model_config = _Strict

    price: _Price
    per: Annotated[_Price, Field(gt=0)] = Decimal(1)


class _Table(BaseModel):
    model_config = _Strict

    as_of: date
    source: str = ""
    region: str
    needs: tuple[str, ...] = ()
    prices: Mapping[str, _PriceOf]
    regions: Mapping[str, Mapping[str, _PriceOf]] = Field(default_factory=dict)


class _Tables(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, _Table]

    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")


class Prices:
    """Price tables by product: ``code-interpreter``, ``lambda-x86_64``, ``lambda-arm64``, ``microvm-arm64`` ..."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    @classmethod
    def read(cls, setting: Any = None, *, adapter: str = "aws") -> "Prices":
        """The tables.

        Args:
            setting: ``prices`` of the adapter's table: None for ours, the name of a file, or a table.
            adapter: the adapter's name, for errors.

        Raises:
            AdapterError: the file cannot be read, or the tables are wrong.
        """
        where = f"adapters.{adapter}.prices"
        try:
            if isinstance(setting, Mapping):
                data: Any = setting
            else:
                path = _OURS if setting is None else Path(str(setting)).expanduser()
                where = f"{where} = {str(setting)!r}" if setting is not None else str(path)
                data = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
            return cls(_Tables.model_validate(data))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            reason = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            reason = str(error)
        raise AdapterError(
            f"The prices of {where} cannot be read: {reason}.",
            remedy="Give a file or a table like adapters/aws/prices.toml, or leave it out.",
            may_have_started=False,
        )

    def cost(self, product: str, region: str, quantities: Mapping[str, Decimal | float]) -> Cost:
        """What quantities of a product cost.

        It is not known where there is no table or no price for one of them, or one is missing that a cost needs.

        Args:
            product: the table's name.
            region: where it ran; "" for wherever the table holds.
            quantities: by the names that the table has prices for.
        """
        currency = self._tables.currency
        table = (self._tables.__pydantic_extra__ or {}).get(product)
        if table is None:
            return Cost(None, currency, None, region)
        prices = table.regions.get(region)
        held = region if prices is not None else table.region
        prices = table.prices if prices is None else prices
        if not set(table.needs) <= set(quantities) or not set(quantities) <= set(prices):
            return Cost(None, currency, table.as_of, held)
        total = sum(
            (Decimal(str(amount)) * prices[name].price / prices[name].per for name, amount in quantities.items()),
            Decimal(0),
        )
        exact = f"{total.quantize(_EXACT):f}".rstrip("0").rstrip(".")
        return Cost(Decimal(exact), currency, table.as_of, held)

    def priced(self, product: str, region: str, quantities: Mapping[str, float]) -> Priced:
        """The quantities of a run and what they cost, for its record.

        Where the prices of the run's own region are not known, those of the table's region stand, under its name. The
        arguments are those of ``cost``.
        """
        cost = self.cost(product, region, quantities)
        return Priced(
            quantities=dict(quantities),
            cost=cost.amount,
            currency=cost.currency,
            prices_as_of=cost.as_of,
            prices_region=cost.region,
        )
