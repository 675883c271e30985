"""Runs in a Python that has llm-sandbox: ``llm_sandbox_worker.py IMAGE``, one run for each line on stdin."""

import json
import sys

from llm_sandbox import SandboxSession  # type: ignore[import-not-found]


def main() -> None:
    """Keep one session open and answer each line with what ``print(1 + 1)`` wrote."""
    out = sys.stdout
    sys.stdout = sys.stderr  # whatever the library says
    with SandboxSession(image=sys.argv[1], lang="python", keep_template=True, skip_environment_setup=True) as session:
        for _ in sys.stdin:
            result = session.run("print(1 + 1)")
            print(json.dumps(result.stdout.strip()), file=out, flush=True)


if __name__ == "__main__":
    main()
