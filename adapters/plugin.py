"""The built-in adapters and the commands that belong to them."""

from collections.abc import Iterator

from host.hookspecs import hookimpl
from host.specs import AdapterSpec, CommandSpec

__all__ = ["adapters", "commands"]


@hookimpl
def adapters() -> Iterator[AdapterSpec]:
    """The adapters that need nothing but this machine."""
    yield AdapterSpec(
        "sandbox", "adapters.sandbox.adapter:SandboxAdapter", "Real languages behind a local wall of bubblewrap."
    )
    yield AdapterSpec("monty", "adapters.monty.adapter:MontyAdapter", "A subset of Python in an instant interpreter.")
    yield AdapterSpec("placeholder", "adapters.placeholder:PlaceholderAdapter", "Stands in while nothing can run code.")


@hookimpl
def commands() -> Iterator[CommandSpec]:
    """``understudy guests``: the guest environments."""
    yield CommandSpec("guests", "adapters.guest.cli:app", "List, build and add to what code may import.")
