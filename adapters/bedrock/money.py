"""What a run at AWS is charged for, at most.

AWS counts the processor time that is used and the peak of memory second by second, from the start of a session's
machine to its end, the system's own use included, a second at least. A caller is not told these numbers. What is known
is the machine's size and how long the session was ours, and their product is the most that can be charged. Of a session
that waits between commands the memory counts and the processors do not.
"""

from adapters.aws.prices import Prices
from host.models import Priced

__all__ = ["LEAST_S", "priced"]

VCPUS = 2
GB = 8
LEAST_S = 1.0
"""A session is charged for that long at least."""

_PRODUCT = "code-interpreter"


def priced(prices: Prices, region: str, busy_s: float, all_s: float) -> Priced:
    """The quantities and their cost.

    Args:
        prices: the tables.
        region: where it ran.
        busy_s: how long something ran.
        all_s: how long the session was there for it.
    """
    quantities = {"vcpu_seconds": round(VCPUS * busy_s, 3), "gb_seconds": round(GB * all_s, 3)}
    return prices.priced(_PRODUCT, region, quantities)
