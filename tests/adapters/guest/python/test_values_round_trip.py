"""Typed values through the Python guest: what comes back is what went in."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.canonical import canonical


def test_values_come_back_equal(run_python, typed_values):
    """A value given as input and returned as it is comes back equal, whatever its type and depth."""

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(typed_values, min_size=20, max_size=80))
    def law(values):
        returned = run_python("values", {"values": values}).value
        for given_value, value in zip(values, returned, strict=True):
            assert canonical(value) == canonical(given_value)

    law()
