"""The plan of a snapshot, and the thresholds at which it is held."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.domain.document import Document
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Action
from lms_bridge.sync.diff import PlannedChange, diff

KEYS = st.text("abcdef", min_size=1, max_size=3)
DOCUMENTS: st.SearchStrategy[dict[str, Document]] = st.dictionaries(
    KEYS, st.fixed_dictionaries({"title": st.sampled_from("xyz")}), max_size=8
)
FREE = Policy(hold_records=10**9, hold_percent=100.0)


@pytest.mark.parametrize(
    ("removals", "known", "held"),
    [
        (0, 0, False),
        (1, 1, False),  # a single removal is everyday business, even of the only record
        (1, 1000, False),
        (2, 20, False),  # exactly ten per cent
        (2, 19, True),
        (3, 30, False),
        (4, 39, True),
        (20, 200, False),  # exactly both thresholds
        (20, 199, True),
        (20, 100_000, False),
        (21, 100_000, True),
        (50, 50, True),
    ],
)
def test_the_default_policy_holds_at_its_exact_edges(removals: int, known: int, held: bool) -> None:
    assert Policy().holds(removals, known) is held


@pytest.mark.parametrize(
    ("policy", "removals", "known", "held"),
    [
        (Policy(hold_floor=0), 1, 10, False),
        (Policy(hold_floor=0), 1, 9, True),
        (Policy(hold_floor=5), 5, 5, False),
        (Policy(hold_floor=5), 6, 6, True),
        (Policy(hold_percent=0.0), 2, 1_000_000, True),
        (Policy(hold_percent=0.0), 1, 1_000_000, False),
        (Policy(hold_percent=100.0, hold_records=1000), 1000, 1000, False),
        (Policy(hold_percent=100.0, hold_records=999), 1000, 1000, True),
        (Policy(hold_percent=2.5, hold_records=1000), 25, 1000, False),
        (Policy(hold_percent=2.5, hold_records=1000), 26, 1000, True),
        (Policy(hold_records=0, hold_percent=100.0), 2, 1000, True),
    ],
)
def test_each_threshold_is_a_setting(policy: Policy, removals: int, known: int, held: bool) -> None:
    assert policy.holds(removals, known) is held


@given(st.integers(0, 300), st.integers(0, 300))
def test_more_removals_are_never_safer(removals: int, known: int) -> None:
    assert Policy().holds(removals, known) <= Policy().holds(removals + 1, known)
    assert Policy().holds(removals, known) >= Policy().holds(removals, known + 1)


def test_a_plan_creates_updates_and_removes() -> None:
    made = diff(
        {"new": {"title": "a"}, "same": {"title": "b"}, "other": {"title": "c", "seats": 5}},
        {"same": {"title": "b"}, "other": {"title": "old", "seats": 5}},
        ["gone"],
        FREE,
        total=3,
    )
    assert made.changes == (
        PlannedChange("new", Action.CREATE, {"title": (None, "a")}),
        PlannedChange("other", Action.UPDATE, {"title": ("old", "c")}),
        PlannedChange("gone", Action.REMOVE, {}),
    )
    assert made.removals == (PlannedChange("gone", Action.REMOVE, {}),)
    assert not made.held


def test_approved_removals_do_not_count_and_rejected_ones_are_left_out() -> None:
    keys = [f"r{number}" for number in range(30)]
    assert diff({}, {}, keys, Policy(), total=100).held
    approved = diff({}, {}, keys, Policy(), total=100, approved=keys)
    assert not approved.held
    assert len(approved.removals) == 30
    rejected = diff({}, {}, keys, Policy(), total=100, rejected=keys)
    assert not rejected.held
    assert rejected.removals == ()
    assert rejected.kept == tuple(keys)
    # one more than was approved is an everyday removal; two more are asked about
    assert not diff({}, {}, [*keys, "x"], Policy(hold_percent=1), total=100, approved=keys).held
    assert diff({}, {}, [*keys, "x", "y"], Policy(hold_percent=1), total=100, approved=keys).held


@given(DOCUMENTS, DOCUMENTS, st.sets(KEYS), st.sets(KEYS), st.sets(KEYS))
def test_a_plan_names_every_record_once(
    desired: dict[str, Document],
    known: dict[str, Document],
    vanished: set[str],
    approved: set[str],
    rejected: set[str],
) -> None:
    vanished -= desired.keys()
    made = diff(
        desired, known, vanished, FREE, total=len(known), approved=approved, rejected=rejected
    )
    keys = [change.key for change in made.changes]
    assert len(keys) == len(set(keys))
    after = dict(known)
    for change in made.changes:
        if change.action is Action.REMOVE:
            assert change.key in vanished - rejected
        else:
            assert change.fields
            after[change.key] = {**after.get(change.key, {}), "title": change.fields["title"][1]}
    assert {key: after[key] for key in desired} == desired
    assert {change.key for change in made.removals} | set(made.kept) == vanished
