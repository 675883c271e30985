"""The table ``[adapters.lambda]``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.aws.clients import AwsSettings
from host.errors import AdapterError

__all__ = ["PREFIX", "LambdaSettings"]

PREFIX = "understudy-runner"
_TENANT = re.compile(r"[A-Za-z0-9._:/=+@ -]{0,256}")


@dataclass(frozen=True, slots=True)
class LambdaSettings:
    """What the adapter and ``understudy deploy lambda`` are told; ``LambdaAdapter`` says what each means."""

    aws: AwsSettings = AwsSettings()  # noqa: RUF009 - frozen
    functions: str = PREFIX
    qualifier: str = ""
    tenant: str = ""
    memory_mb: int = 1024
    timeout_s: int = 60
    proof_every_s: int = 3600
    prices: Any = None

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> "LambdaSettings":
        """Take what the table has; what it says of other things (``enabled``) is not for here.

        Raises:
            AdapterError: a value is of the wrong kind.
        """
        own = [name for name in cls.__dataclass_fields__ if name not in ("aws", "prices")]
        given = {name: table[name] for name in own if name in table}
        for name, value in given.items():
            kind = type(getattr(cls(), name))
            if type(value) is not kind or (kind is int and value < 1):
                wanted = "a text" if kind is str else "a number from 1"
                raise AdapterError(
                    f"adapters.lambda.{name} is {value!r}.", remedy=f"Give {wanted}.", may_have_started=False
                )
        if not _TENANT.fullmatch(given.get("tenant", "")):
            raise AdapterError(
                f"adapters.lambda.tenant is {given['tenant']!r}.",
                remedy='Give "actor", or one name of letters, digits and ._:/=+-@.',
                may_have_started=False,
            )
        return cls(aws=AwsSettings.read(table, "lambda"), prices=table.get("prices"), **given)

    def function(self, language: str) -> str:
        """The name of the function that runs a language."""
        return f"{self.functions}-{language}"

    @property
    def redeploy(self) -> str:
        """The command that sets the functions up, or brings them up to date."""
        words = ["understudy deploy lambda"]
        words += [f"--region {self.aws.region}"] if self.aws.region else []
        words += [f"--profile {self.aws.profile}"] if self.aws.profile else []
        return " ".join(words)
