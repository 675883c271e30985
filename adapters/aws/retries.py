"""Trying again what may be done twice: a bounded number of times, after random waits that grow."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from adapters.aws.errors import AwsError

__all__ = ["Retries"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and how long is waited in between.

    Attributes:
        attempts: how often it is tried in all.
        first_wait_s: the most that is waited before the second try; it doubles from try to try.
        longest_wait_s: the most that is waited before any try.
    """

    attempts: int = 4
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0

    async def of(self, one: Callable[[], Awaitable[_T]]) -> _T:
        """What ``one`` gives, tried again where its error is retryable.

        Raises:
            AwsError: the error of the last try.
        """
        try:
            return await one()
        except AwsError as error:
            if not error.retryable or self.attempts < 2:
                raise
            failed = error
        # Only now: most calls are well, and the library takes a moment to load.
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

        failures = [failed]

        async def one_more() -> _T:
            if failures:
                raise failures.pop()  # the try that was made already is its first
            return await one()

        trying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, AwsError) and error.retryable),
            stop=stop_after_attempt(self.attempts),
            wait=wait_random_exponential(multiplier=self.first_wait_s, max=self.longest_wait_s),
            reraise=True,
        )
        outcome: _T = await trying(one_more)
        return outcome
