"""The world of the benchmarks is filled in bulk. It is to be what real nights leave."""

from __future__ import annotations

from pathlib import Path

from benchmarks.verifying import differences
from benchmarks.world import World


def test_a_seeded_centre_is_one_after_real_nights_and_a_quiet_night_changes_nothing(
    tmp_path: Path,
) -> None:
    assert differences(tmp_path, World(1, 5, 8, 20)) == ()
