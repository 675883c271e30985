"""Every adapter that a plugin brings runs the conformance suite; nobody has to remember a new one.

Those that need something beside this machine (an engine, an account or what stands for one) bring it in a
``test_conformance.py`` of their own, below ``tests/adapters``; the last test here sees to it that they do.
"""

import importlib
from pathlib import Path

from host.plugins import load_plugins
from host.settings import load_settings
from host.specs import AdapterSpec, load_target
from host.testing import AdapterConformance

_ON_MONTY = """last-expression result-wins no-value plain-names five-megabytes exception raises-late cpu-time memory
output-flood value-da* value-decimal* value-int value-big*-int"""
_MUST_ACCEPT = {
    "sandbox": ("*",),
    "placeholder": ("*",),
    "monty": tuple(f"python-{name}" for name in _ON_MONTY.split()),
}
"""By adapter: the programs that it may not decline. A wall with the real interpreters declines nothing."""


def _suite_for(spec: AdapterSpec) -> type[AdapterConformance]:
    def make_adapter(cls):
        return load_target(spec.target)()

    body = {
        "make_adapter": classmethod(make_adapter),
        "must_accept": _MUST_ACCEPT.get(spec.name, ()),
        "__doc__": f"The adapter {spec.name}: {spec.summary}",
    }
    return type(f"Test{spec.name.title().replace('_', '').replace('-', '')}", (AdapterConformance,), body)


def _may_run(spec: AdapterSpec) -> bool:
    """Whatever costs money or leaves the machine is tested where configuration enables it, as it is used."""
    return load_settings().adapters.enabled(spec.name, opt_in=spec.opt_in)


_SPECS = list(load_plugins().adapters())
_ADAPTERS = Path(__file__).parents[1] / "adapters"

for _spec in _SPECS:
    if _may_run(_spec):
        _class = _suite_for(_spec)
        globals()[_class.__name__] = _class


def test_no_adapter_goes_without() -> None:
    """Every adapter that a plugin brings has a suite: here, or in a file of its own."""
    here = {spec.name for spec in _SPECS if _may_run(spec)}
    for path in _ADAPTERS.glob("*/test_conformance.py"):
        module = importlib.import_module(f"tests.adapters.{path.parent.name}.test_conformance")
        suites = [each for each in vars(module).values() if isinstance(each, type) and each.__name__.startswith("Test")]
        here |= {suite.make_adapter().name for suite in suites if issubclass(suite, AdapterConformance)}
    assert {spec.name for spec in _SPECS} <= here
