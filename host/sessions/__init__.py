"""Sessions: interpreters that stay alive between commands, with their variables and work folder.

``table.py`` opens and ends them, ``live.py`` is one of them and a command's way into it, ``budget.py`` counts what they
use in all. A command is an ordinary execution (``host.dispatch``); nothing is ever run again.
"""

from host.sessions.door import SessionDoor
from host.sessions.info import SessionInfo, SessionTotals
from host.sessions.live import Command
from host.sessions.table import Sessions

__all__ = ["Command", "SessionDoor", "SessionInfo", "SessionTotals", "Sessions"]
