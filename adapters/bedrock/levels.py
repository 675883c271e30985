"""What is held from where, in a session at AWS.

Held from outside (``wall``) is what the host itself sees to, whatever happens in the session: how long a run may take,
for the host ends the session when its time is up; and how much comes out of it, for the host takes no more. The microVM
keeps a program from this machine and from every other program, because no session ever has two; but its own bounds
(2 processors, 8 GB, S3 and DNS in network mode SANDBOX) are wider than any policy, so they hold no field.

Held by the runner inside (``guest``) are the others: memory, processor time and processes by rlimits and by watching,
the network by seccomp, files by rlimits, seccomp and Landlock, the environment by starting from none. The program
cannot take these back, unless it can get hold of a process that is not bound by them; and the service has some that
belong to the same user. Landlock, or the kernel's own settings, keep it from that. Whether they do is tried in a
session before any program runs. Where memory of other processes can be reached, none of these bounds is more than
``advice``; where only files can be written elsewhere, those of files are not.

The list of imports is advice everywhere.
"""

from adapters.bedrock.found import Found
from host.policy import ENFORCED_FIELDS, Enforcement

__all__ = ["levels"]

_BY_HOST = ("max_execution_time", "max_output_bytes")
_OF_FILES = ("max_file_bytes", "max_files", "file_system_access")


def levels(found: Found) -> dict[str, Enforcement]:
    """The level of each policy field, by what was found in a session."""
    inside = Enforcement.GUEST if found.memory_closed else Enforcement.ADVICE
    held = dict.fromkeys(ENFORCED_FIELDS, inside)
    if not found.writes_closed:
        held.update(dict.fromkeys(_OF_FILES, Enforcement.ADVICE))
    held.update(dict.fromkeys(_BY_HOST, Enforcement.WALL))
    held["allowed_imports"] = Enforcement.ADVICE
    return held
