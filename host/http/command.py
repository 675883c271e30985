"""``understudy serve``: the HTTP API."""

from typing import Annotated

import typer

from host.cli.options import JsonOption
from host.cli.session import session
from host.cli.terminal import console, print_json
from host.http import server
from host.logs import set_up_logs

__all__ = ["serve"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Beyond this machine it needs keys.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port to listen on; 0 picks a free one.")] = None,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> int:
    """Serve the HTTP API until it is told to stop (Ctrl+C, or SIGTERM).

    Then running programs may end within server.shutdown_grace_ms; the rest is stopped and recorded. A second signal
    hurries.
    """
    settings = session().settings({"server.host": host, "server.port": port})
    keys = [key.get_secret_value() for key in settings.server.api_keys]
    set_up_logs(settings.logs, serving=True, secrets=keys)

    def ready(url: str) -> None:
        if as_json:
            print_json({"url": url, "docs": f"{url}/docs"})
        else:
            console().print(f"Understudy serves at {url}; {url}/docs shows the API. Ctrl+C stops it.")

    server.serve(settings, on_ready=ready)
    return 0
