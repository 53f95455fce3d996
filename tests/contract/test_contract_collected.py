"""What is collected of the contract suite: what a connector declares, all of it and no more."""

import re
from itertools import product
from pathlib import Path

import pytest

import lms_bridge.testing
from lms_bridge.testing.academy import AcademyContract
from lms_bridge.testing.centre import CentreContract
from lms_bridge.testing.contract import needs_of

pytest_plugins = ["pytester"]

HEAD = """
import pytest
from lms_bridge.domain.ports import *
from lms_bridge.testing import AcademyContract, CentreContract, Fault, Peer
from lms_bridge.testing.contract import PORTS
from tests.contract.test_contract_suite import Books, Good

class Unbreakable(Books):
    break_next = Peer.break_next
"""
SUBCLASS = """
class {name}({base}):
    capabilities = frozenset({ports})
    faults = frozenset({faults})

    @pytest.fixture
    def peer(self):
        return Books(Good)
"""
BOTH = "ReadsOfferings, WritesOfferings"
"""What ``Good`` can do, of which the second is nothing that a centre's contract tests."""
CONTRACTS = [CentreContract, AcademyContract]
Found = set[tuple[object, ...]]


def subclass(base: str, ports: str, faults: str, name: str = "TestBooks") -> str:
    return SUBCLASS.format(base=base, ports=ports, faults=faults, name=name)


def collect(pytester: pytest.Pytester, *classes: str) -> list[pytest.Function]:
    pytester.makepyfile(HEAD + "".join(classes))
    items, _ = pytester.inline_genitems()
    return [item for item in items if isinstance(item, pytest.Function)]


def whole_suite(contract: type) -> Found:
    """Every test that the contract or a part of it defines, with every value it can run for."""
    found: Found = set()
    for base in contract.__mro__:
        for name, test in vars(base).items():
            if name.startswith("test_"):
                found.update((name, *values) for values in product(*needs_of(test).each.values()))
    return found


def with_values(item: pytest.Function) -> tuple[object, ...]:
    names = needs_of(item.function).each
    return (item.originalname, *(item.callspec.params[name] for name in names))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_full_connector_runs_the_whole_suite(contract: type, pytester: pytest.Pytester) -> None:
    items = collect(pytester, subclass(contract.__name__, "(PORTS)", "(Fault)"))
    assert {with_values(item) for item in items} == whole_suite(contract)


def test_the_contracts_are_the_whole_suite() -> None:
    folder = Path(lms_bridge.testing.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    found = set.union(*map(whole_suite, CONTRACTS))
    assert {name for name, *_ in found} == set(
        re.findall(r"^    def (test_\w+)", source, re.MULTILINE)
    )


FEW = {
    "test_descriptor",
    "test_has_the_declared_capabilities",
    "test_methods_take_what_the_bridge_passes",
    "test_all_wrong_settings_are_reported_at_once",
    "test_no_repr_shows_the_secret",
    "test_reads_the_same_twice[read_offerings]",
    "test_readings_class_their_errors[read_offerings-busy]",
    "test_offerings_load",
    "test_no_offerings_are_no_error",
}


def test_an_undeclared_capability_collects_no_test(pytester: pytest.Pytester) -> None:
    items = collect(pytester, subclass("CentreContract", "({ReadsOfferings})", "({Fault.BUSY})"))
    assert {item.name for item in items} == FEW


def test_a_subclass_may_declare_more_or_less(pytester: pytest.Pytester) -> None:
    items = collect(
        pytester,
        subclass("CentreContract", "({ReadsOfferings})", "({Fault.BUSY})", "TestFew"),
        subclass("TestFew", "(PORTS)", "(Fault)", "TestAll"),
        subclass("TestAll", "({ReadsOfferings})", "({Fault.BUSY})", "TestFewAgain"),
    )
    found = {item.nodeid.partition("::")[2]: item for item in items}
    every = {with_values(item) for name, item in found.items() if name.startswith("TestAll::")}
    assert every == whole_suite(CentreContract)
    for name in ("TestFew", "TestFewAgain"):
        assert {item for item in found if item.startswith(f"{name}::")} == {
            f"{name}::{test}" for test in FEW
        }


def run(pytester: pytest.Pytester, *classes: str) -> list[set[str]]:
    """The names of the tests that passed, were skipped and failed."""
    pytester.makepyfile(HEAD + "".join(classes))
    outcomes = pytester.inline_run().listoutcomes()
    return [{report.nodeid.rpartition("::")[2] for report in reports} for reports in outcomes]


def test_the_collected_tests_run(pytester: pytest.Pytester) -> None:
    books = subclass("CentreContract", f"({{{BOTH}}})", "({Fault.BUSY})")
    assert run(pytester, books) == [FEW, set(), set()]


def test_a_declared_capability_that_is_missing_fails(pytester: pytest.Pytester) -> None:
    ports, faults = f"({{{BOTH}, WritesLearners}})", "({Fault.BUSY, Fault.LOST})"
    passed, skipped, failed = run(pytester, subclass("CentreContract", ports, faults))
    assert failed == {
        "test_has_the_declared_capabilities",
        "test_methods_take_what_the_bridge_passes",
        "test_learners_are_made_once",
        "test_a_lost_answer_makes_no_second_account",
        "test_learners_class_their_errors[busy]",
    }
    assert (passed, skipped) == (FEW - failed, set())


def test_a_declared_fault_that_the_peer_cannot_cause_fails(pytester: pytest.Pytester) -> None:
    books = subclass("CentreContract", f"({{{BOTH}}})", "({Fault.BUSY})")
    passed, skipped, failed = run(pytester, books.replace("Books(Good)", "Unbreakable(Good)"))
    assert failed == {"test_readings_class_their_errors[read_offerings-busy]"}
    assert (passed, skipped) == (FEW - failed, set())


def test_a_class_that_declares_nothing_runs_no_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"{HEAD}\nclass TestBooks(CentreContract):\n    pass\n")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TestBooks does not declare capabilities and faults*"])
