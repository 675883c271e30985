"""The host side of the SQL guest."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from adapters.guest.contract import Launch, Missing, Runtime
from adapters.guest.environments import SITE, SQL, Environments, GuestEnvironmentError
from adapters.guest.python.host import PYTHON_FILES, find_python, request_frame
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["SQL_FILES", "SqlGuest"]

_HERE = Path(__file__).resolve().parent

SQL_FILES: Mapping[Path, str] = {
    **PYTHON_FILES,
    **{_HERE / f"{name}.py": f"/guest/sql/{name}.py" for name in ("__init__", "main", "results", "tables")},
}
"""The files of the SQL guest inside the wall, those of the Python guest among them."""

_PRELOAD = ("sql.main", "_duckdb", "json", "decimal", "datetime", "pathlib", "uuid")
_SPARE_MEMORY_MB = 96  # DuckDB itself, before the first table
_SPARE_PROCESSES = 2


class SqlGuest:
    """DuckDB, from the guest environment ``sql``.

    Args:
        environments: the guest environments of this host.
    """

    language = "sql"

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._launches: dict[tuple[str, ...], Launch] = {}

    def find(self) -> Runtime | Missing:
        """The Python that DuckDB runs in. Copies DuckDB into its guest environment where that was not done yet."""
        from adapters.guest.builds import ensure_sql

        python = find_python(None, self.language)
        if isinstance(python, Missing):
            return python
        try:
            environment = ensure_sql(self._environments)
        except GuestEnvironmentError as error:
            return Missing(error.message, error.remedy)
        return Runtime(
            language=self.language,
            version=environment.packages["duckdb"],
            program=python.program,
            trees=python.trees,
            masked=python.masked,
        )

    def launch(self, request: ExecutionRequest, policy: Policy, runtime: Runtime) -> Launch:
        return dataclasses.replace(self._launch("run"), frame=self.frame(request, policy))

    def open(self, policy: Policy, runtime: Runtime) -> Launch:
        return self._launch("session")

    def frame(self, request: ExecutionRequest, policy: Policy) -> bytes:
        return request_frame(request, policy, memory_mb=policy.max_memory_mb)

    def _launch(self, function: str) -> Launch:
        """All but the frame; the same for every request.

        Raises:
            ValueError: DuckDB's guest environment is not there.
        """
        environment = self._environments.get(SQL)
        if environment.site is None:
            raise ValueError("DuckDB is not ready for code to run on; build it with `understudy guests build sql`.")
        key = (environment.built_at, function)
        if key not in self._launches:
            self._launches[key] = Launch(
                argv=("sql.main", function),
                frame=b"",
                trees={**SQL_FILES, environment.site: SITE, **{Path(path): path for path in environment.libraries}},
                in_process=True,
                preload=_PRELOAD,
                spare_processes=_SPARE_PROCESSES,
                spare_memory_mb=_SPARE_MEMORY_MB,
            )
        return self._launches[key]
