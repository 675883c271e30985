"""Sessions: interpreters that stay alive between commands, with their variables and work folder.

``door.py`` is what callers ask; ``table.py`` knows all sessions of a host, ``opening.py`` starts one, ``live.py`` is
one and the way of a command through it, ``budget.py`` counts what its commands use in all. A command is an ordinary
execution (``host.dispatch``); nothing is ever run again.
"""

from host.sessions.door import SessionDoor
from host.sessions.info import SessionInfo, SessionTotals
from host.sessions.live import Command
from host.sessions.table import Sessions

__all__ = ["Command", "SessionDoor", "SessionInfo", "SessionTotals", "Sessions"]
