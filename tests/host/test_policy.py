"""Laws of policies and of tightening them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from host.errors import WidenedLimits
from host.policy import (
    ENFORCED_FIELDS,
    Enforcement,
    FileSystemAccess,
    Limits,
    Policy,
    Retain,
    covers_egress,
    covers_import,
)

CEILINGS = {
    "max_execution_time": (1, 900_000),
    "max_cpu_time": (1, 900_000),
    "max_memory_mb": (1, 1_048_576),
    "max_processes": (1, 4096),
    "max_output_bytes": (0, 1 << 30),
    "max_file_bytes": (0, 1 << 34),
    "max_files": (0, 1_000_000),
}

# Small pools, so that draws overlap and both legal and widening limits come up often.
modules = st.lists(st.sampled_from(["math", "json", "xml", "xml.dom", "xml.dom.minidom", "xmlrpc"]), unique=True).map(
    tuple
)
pairs = st.lists(
    st.builds(
        "{}:{}".format, st.sampled_from(["*", "a.example", "A.example", "[::1]"]), st.sampled_from(["*", "80", "443"])
    ),
    max_size=3,
).map(tuple)
variables = st.dictionaries(st.sampled_from(["LANG", "TZ", "MODE"]), st.sampled_from(["", "C", "UTC"]))


def number(low, high):
    return st.integers(low, high) | st.integers(low, low + 3)


policies = st.builds(
    Policy,
    name=st.just("drawn"),
    **{name: number(*bounds) for name, bounds in CEILINGS.items()},
    allowed_imports=st.none() | modules,
    network_access=st.booleans(),
    file_system_access=st.sampled_from(FileSystemAccess),
    environment=variables,
    egress_allow=pairs,
    may_leave_machine=st.booleans(),
    retain=st.builds(Retain, code=st.booleans(), days=st.integers(1, 3650)),
    enforcement=st.dictionaries(st.sampled_from(ENFORCED_FIELDS), st.sampled_from(Enforcement)),
)
limits = st.builds(
    Limits,
    **{name: st.none() | number(*bounds) for name, bounds in CEILINGS.items()},
    allowed_imports=st.none() | modules,
    network_access=st.none() | st.booleans(),
    file_system_access=st.none() | st.sampled_from(FileSystemAccess),
    environment=st.none() | variables,
    egress_allow=st.none() | pairs,
    may_leave_machine=st.none() | st.booleans(),
)


@st.composite
def policy_and_legal_limits(draw):
    """A policy, and limits that only ever lower it."""
    policy = draw(policies)
    lower = {name: draw(st.none() | st.integers(low, getattr(policy, name))) for name, (low, _) in CEILINGS.items()}
    allowed = policy.allowed_imports
    ranks = [access for access in FileSystemAccess if access.rank <= policy.file_system_access.rank]
    return policy, Limits(
        **lower,
        allowed_imports=draw(st.none() | (modules if allowed is None else subset(allowed).map(tuple))),
        network_access=draw(st.sampled_from([None, False] + [True] * policy.network_access)),
        file_system_access=draw(st.none() | st.sampled_from(ranks)),
        environment=draw(st.none() | subset(policy.environment.items()).map(dict)),
        egress_allow=draw(st.none() | subset(policy.egress_allow).map(tuple)),
        may_leave_machine=draw(st.sampled_from([None, False] + [True] * policy.may_leave_machine)),
    )


def subset(items):
    items = sorted(set(items))
    return st.lists(st.sampled_from(items), unique=True) if items else st.just([])


def is_within(inner, outer):
    """An independent reading of "no field gives more": what may each policy let happen, point by point."""
    assert all(getattr(inner, name) <= getattr(outer, name) for name in CEILINGS)
    for module in ("math", "json", "xml", "xml.dom", "xml.dom.minidom", "xml.dom.minidom.x", "xmlrpc", "other"):
        assert covers_import(outer.allowed_imports, module) or not covers_import(inner.allowed_imports, module)
    for host in ("a.example", "b.example", "[::1]"):
        for port in ("80", "443", "8080"):
            pair = f"{host}:{port}"
            assert covers_egress(outer.egress_allow, pair) or not covers_egress(inner.egress_allow, pair)
    order = ["none", "read_only", "sandboxed"]
    assert order.index(inner.file_system_access) <= order.index(outer.file_system_access)
    assert outer.network_access or not inner.network_access
    assert outer.may_leave_machine or not inner.may_leave_machine
    assert all(outer.environment.get(name) == value for name, value in inner.environment.items())
    same = ("name", "description", "enforcement", "retain", "guest_environment")
    assert all(getattr(inner, name) == getattr(outer, name) for name in same)
    return True


@given(policies, limits)
def test_tightening_never_widens(policy, asked):
    """Whatever is asked, tighten gives no more than the policy does, or raises; widened_by says beforehand which."""
    widened = policy.widened_by(asked)
    if widened:
        with pytest.raises(WidenedLimits) as caught:
            policy.tighten(asked)
        assert widened[0] in str(caught.value)
    else:
        assert is_within(policy.tighten(asked), policy)


@given(policy_and_legal_limits())
def test_what_only_lowers_is_taken(drawn):
    """Limits that ask for no more than the policy gives are taken, and every one of them then holds exactly."""
    policy, asked = drawn
    assert policy.widened_by(asked) == []
    tightened = policy.tighten(asked)
    for name in Limits.model_fields:
        wanted = getattr(asked, name)
        assert getattr(tightened, name) == (getattr(policy, name) if wanted is None else wanted)


@given(policies, limits, limits)
def test_tightening_composes(policy, first, second):
    """Tightening twice is within both steps, and the same twice changes nothing."""
    try:
        once = policy.tighten(first)
        twice = once.tighten(second)
    except WidenedLimits:
        return
    assert is_within(twice, once)
    assert is_within(twice, policy)
    assert once.tighten(first) == once
    both = {name: value for each in (first, second) for name, value in each if value is not None}
    assert policy.tighten(Limits(**both)) == twice


@given(policies, limits)
def test_no_field_widens_unseen(policy, asked):
    """Each limit alone is refused exactly when it is refused among the others: no field hides another."""
    alone = [
        sentence
        for name, value in asked
        if value is not None
        for sentence in policy.widened_by(Limits(**{name: value}))
    ]
    assert alone == policy.widened_by(asked)


def test_every_limit_is_a_field_of_the_policy():
    """No limit exists that the policy has no bound for."""
    assert set(Limits.model_fields) <= set(Policy.model_fields)
    assert set(ENFORCED_FIELDS) <= set(Policy.model_fields)
    assert set(ENFORCED_FIELDS) <= set(Limits.model_fields)


def test_the_defaults_are_the_seeds():
    """A policy without a word has the five limits that the project began with."""
    policy = Policy(name="bare")
    assert (policy.max_execution_time, policy.max_memory_mb) == (5000, 128)
    assert policy.allowed_imports == ("math", "json", "datetime")
    assert policy.network_access is False
    assert policy.file_system_access == "none"


@given(policies)
def test_the_hash_is_of_what_the_policy_says(policy):
    """A policy read back from JSON has the same hash, whatever its tables' order; with another limit it has another."""
    again = Policy.model_validate_json(policy.model_dump_json())
    turned = Policy.model_validate(
        {
            **policy.model_dump(),
            "environment": dict(reversed(policy.environment.items())),
            "enforcement": dict(reversed(policy.enforcement.items())),
        }
    )
    assert again.sha256 == turned.sha256 == policy.sha256
    other = policy.model_copy(update={"max_files": 0 if policy.max_files else 1})
    assert Policy.model_validate(other.model_dump()).sha256 != policy.sha256


def test_the_hash_stays_from_release_to_release():
    """Records name policies by this hash, so it may not change by accident."""
    assert Policy(name="bare").sha256 == "fdb654f090b4c3607d3c5f474129db90bc95abfc36bbb02b849dae488bd12ed3"


def test_an_import_covers_what_lies_below_it_and_no_namesake():
    """``xml`` allows ``xml.dom`` and not ``xmlrpc``; a list without entries allows nothing, no list everything."""
    assert covers_import(("xml",), "xml.dom.minidom")
    assert covers_import(("npm:a",), "npm:a/b")
    assert not covers_import(("xml",), "xmlrpc.client")
    assert not covers_import(("xml.dom",), "xml")
    assert not covers_import((), "math")
    assert covers_import(None, "anything")


def test_an_empty_egress_list_reaches_nothing():
    """An empty list is the narrowest one; ``*`` stands for any host or any port; hosts have no case."""
    assert not covers_egress((), "a.example:443")
    assert covers_egress(("*:443",), "A.example:443")
    assert not covers_egress(("*:443",), "a.example:80")
    assert covers_egress(("a.example:*",), "A.EXAMPLE:1")
    assert not covers_egress(("a.example:443",), "*:443")


def test_a_refusal_names_no_value_of_a_variable():
    """Variables may hold secrets, so the sentence that refuses them names them alone."""
    policy = Policy(name="p", environment={"TOKEN": "hunter2"})
    (sentence,) = policy.widened_by(Limits(environment={"TOKEN": "hunter3"}))
    assert "TOKEN" in sentence
    assert "hunter" not in sentence


@pytest.mark.parametrize(
    "field",
    [
        {"max_memory_mb": 0},
        {"max_execution_time": 900_001},
        {"enforcement": {"description": "wall"}},
        {"environment": {"A=B": ""}},
        {"environment": {"A": "nul\0"}},
        {"egress_allow": ("no-port",)},
        {"allowed_imports": ("",)},
        {"name": "Upper"},
        {"colour": "red"},
    ],
)
def test_what_makes_no_sense_is_refused(field):
    """Limits out of bounds, unknown fields and malformed entries never become a policy."""
    with pytest.raises(ValidationError):
        Policy.model_validate({"name": "p", **field})


def test_a_changed_copy_has_a_hash_of_its_own() -> None:
    """What is kept by a policy's hash is never used for a changed copy of it."""
    policy = Policy(name="one", max_files=10)
    before = policy.sha256
    assert policy.model_copy(update={"max_files": 11}).sha256 != before
    assert policy.model_copy().sha256 == before
