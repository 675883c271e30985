"""A short soak: every kind of end, many at once, and nothing left."""

import pytest

from benchmarks.soak import KINDS, soak


@pytest.mark.engine
async def test_nothing_is_left_after_many_ends(wall):
    """After runs that end in every way there is, the machine is as before, and each ended as it had to."""
    found = await soak(300)
    assert found.wrong == []
    assert not any(found.left.values()), found.left
    assert {kind for kind, _ in found.ends} >= {name for name, kind in KINDS.items() if kind.weight >= 4}
