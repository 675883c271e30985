"""What a run costs: exact, with the date of its prices, and unknown where it is not known."""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.aws import prices
from adapters.aws.prices import Cost, Prices
from host.errors import AdapterError

TABLES = tomllib.loads(Path(prices.__file__).with_name("prices.toml").read_text(encoding="utf-8"), parse_float=Decimal)
PRODUCTS = {name: table for name, table in TABLES.items() if isinstance(table, dict)}

OWN = {
    "currency": "EUR",
    "lambda-arm64": {
        "as_of": "2026-10-01",
        "region": "eu-central-1",
        "needs": ["gb_seconds"],
        "prices": {"gb_seconds": {"price": 0.00001}, "requests": {"price": "0.3", "per": 1_000_000}},
        "regions": {"eu-west-1": {"gb_seconds": {"price": "0.00002"}}},
    },
}


@pytest.mark.parametrize(
    ("product", "quantities", "amount"),
    [
        ("lambda-x86_64", {"gb_seconds": 1, "requests": 1}, "0.0000168667"),
        ("lambda-arm64", {"gb_seconds": Decimal("0.5"), "requests": 0}, "0.0000066667"),
        ("code-interpreter", {"vcpu_seconds": 3600, "gb_seconds": 3600 * 2}, "0.1084"),
        ("code-interpreter", {"vcpu_seconds": 1, "gb_seconds": 0.0}, "0.000024861111"),
        ("microvm-arm64", {"vcpu_seconds": 10, "gb_seconds": 20, "snapshot_read_gb": 0.5}, "0.00112366295"),
        ("microvm-x86_64", {"vcpu_seconds": 0, "gb_seconds": 0, "snapshot_read_gb": 0}, "0"),
    ],
)
def test_costs(product, quantities, amount):
    """Quantities times published prices, in decimals from end to end."""
    cost = Prices.read().cost(product, "us-east-1", quantities)
    assert (str(cost.amount), cost.currency, cost.region) == (amount, "USD", "us-east-1")
    assert cost.as_of == PRODUCTS[product]["as_of"]


def test_other_regions():
    """A region's own prices are used where they are known; otherwise the default's, and the cost says whose."""
    table = Prices.read()
    quantities = {"vcpu_seconds": 1, "gb_seconds": 0, "snapshot_read_gb": 0}
    assert table.cost("microvm-arm64", "ap-northeast-1", quantities)[::3] == (Decimal("0.0000322421"), "ap-northeast-1")
    assert table.cost("microvm-arm64", "eu-north-1", quantities)[::3] == (Decimal("0.0000276944"), "us-east-1")


@pytest.mark.parametrize(
    ("product", "quantities"),
    [
        ("lambda-riscv", {"gb_seconds": 1, "requests": 1}),
        ("lambda-arm64", {"gb_seconds": 1}),
        ("lambda-arm64", {"gb_seconds": 1, "requests": 1, "coffees": 1}),
        ("microvm-arm64", {"vcpu_seconds": 1, "gb_seconds": 1}),
    ],
)
def test_what_is_not_known(product, quantities):
    """No product, no price for a quantity, or a quantity that is missing: no cost, rather than one that is too low."""
    assert Prices.read().cost(product, "us-east-1", quantities).amount is None


def test_for_the_record():
    """A record has the quantities, what they cost, and whose prices were taken where the region's own are not known."""
    quantities = {"gb_seconds": 2.0, "requests": 1.0}
    known = Prices.read().priced("lambda-arm64", "us-east-1", quantities)
    assert (known.quantities, str(known.cost), known.currency) == (quantities, "0.0000268668", "USD")
    assert known.prices_as_of == date(2026, 11, 1)
    unknown = Prices.read().priced("lambda-arm64", "eu-west-1", quantities)
    assert (unknown.quantities, unknown.cost, unknown.prices_region) == (quantities, known.cost, "us-east-1")


def test_an_operators_prices(tmp_path):
    """Prices may come from a table of the configuration or from a file, and are as exact as ours."""
    file = tmp_path / "prices.toml"
    file.write_text('currency = "EUR"\n[lambda-arm64]\nas_of = 2026-10-01\nregion = "eu-west-1"\n'
                    "prices.gb_seconds = { price = 0.00002 }\n")  # fmt: skip
    for setting in (OWN, str(file)):
        cost = Prices.read(setting, adapter="lambda").cost("lambda-arm64", "eu-west-1", {"gb_seconds": 3})
        assert cost == Cost(Decimal("0.00006"), "EUR", date(2026, 10, 1), "eu-west-1")


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("/nowhere/prices.toml", "No such file"),
        ({"lambda-arm64": {"as_of": "soon", "region": "x", "prices": {}}}, r"lambda-arm64\.as_of"),
        (
            {"lambda-arm64": {"as_of": "2026-10-01", "region": "x", "prices": {"a": {"price": -1}}}},
            "greater than or equal",
        ),
        (
            {"lambda-arm64": {"as_of": "2026-10-01", "region": "x", "prices": {"a": {"price": 1, "per": 0}}}},
            "greater than 0",
        ),
        ({"lambda-arm64": {"as_of": "2026-10-01", "region": "x", "prices": {"a": {"price": "much"}}}}, "price"),
        ({"lambda-arm64": "cheap"}, "lambda-arm64"),
        ({"currency": "dollars"}, "currency"),
    ],
)
def test_prices_that_cannot_be_read(setting, reason):
    """A wrong table is an error that names the setting, the place in it and the remedy."""
    with pytest.raises(AdapterError, match=rf"(?s)adapters\.lambda\.prices.*{reason}.*Give a file or a table"):
        Prices.read(setting, adapter="lambda")


@pytest.mark.parametrize("product", PRODUCTS)
def test_our_tables_say_where_they_are_from(product):
    """Each table has a date, a source, a region, and in every region that it names prices for all that it needs."""
    table = PRODUCTS[product]
    assert isinstance(table["as_of"], date)
    assert table["source"]
    assert table["region"]
    for each in (table["prices"], *table.get("regions", {}).values()):
        assert set(each) == set(table["needs"])
