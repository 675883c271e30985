"""``understudy config``: each setting and where its value came from."""

import json

from host.cli.options import JsonOption
from host.cli.session import session
from host.cli.showing import table
from host.cli.terminal import print_json

__all__ = ["config"]


def config(as_json: JsonOption = False) -> None:
    """Show each setting and where its value came from. Secrets are masked."""
    shown = session().settings().shown()
    if as_json:
        print_json({setting.key: {"value": setting.value, "origin": setting.origin} for setting in shown})
        return
    table(("SETTING", "VALUE", "FROM"), ((each.key, json.dumps(each.value), each.origin) for each in shown))
