"""An emulated Lambda with the real packages, in a process of its own: its processes and descriptors are nobody else's.

`python served.py STATE` prints one line of JSON, the environment that points boto3 at it. Then it answers each line on
stdin with another: what is in its execution environments. It ends when stdin does.
"""

import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[3])

from tests.adapters.aws_lambda.packages import PREFIX, deploy  # noqa: E402 - found from the checkout
from tests.emulators.account import Account  # noqa: E402
from tests.emulators.lambda_service import Lambda  # noqa: E402


def look(service: Lambda, languages: list[str]) -> list[dict]:
    """Each execution environment that lives: its language, what is left in it, how often it has served."""
    return [
        {
            "language": language,
            "strays": [process.command or process.name for process in environment.strays()],
            "files": sorted(path.name for path in environment.temporary.iterdir()),
            "served": environment.invocations,
            "said": environment.output().decode(errors="replace"),
        }
        for language in languages
        for environment in service.pool(f"{PREFIX}-{language}").environments
    ]


def main() -> None:
    """Serve until stdin ends."""
    service = Lambda()
    with Account(service) as account:
        languages = deploy(service, Path(sys.argv[1]))
        sys.stdout.write(json.dumps(account.environment()) + "\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            sys.stdout.write(json.dumps(look(service, languages)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
