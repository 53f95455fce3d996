"""What holds for every connector, whatever its side, and which tests are for which connector."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from inspect import getattr_static
from typing import Any, ClassVar, TypeVar

import pytest

from lms_bridge.domain import ports
from lms_bridge.domain.errors import AccessDenied, BridgeError, SettingsInvalid
from lms_bridge.domain.ports import Closes, Connector, Probes, SystemAccess, Verdict
from lms_bridge.testing.expect import expect, expect_discreet, expect_no_secret, expect_same
from lms_bridge.testing.peers import Fault, Peer

Need = type | Fault
"""A port that the connector has to implement, or a fault that its peer has to be able to cause."""
Function = TypeVar("Function", bound=Callable[..., object])
ATTRIBUTE = "contract_needs"
KINDS = ("text", "number", "flag", "list", "map")
PORTS: tuple[type, ...] = (
    ports.ReadsOfferings,
    ports.ReadsResults,
    ports.ShowsEnrolments,
    ports.FindsOfferings,
    ports.KnowsOfferingsByCode,
    ports.FindsAccounts,
    ports.ShowsAccounts,
    ports.WritesLearners,
    ports.WritesEnrolments,
    ports.WritesOfferings,
    ports.ShowsOfferings,
    ports.ReadsRegistrations,
    ports.FollowsRegistrations,
    ports.WritesResults,
    ports.Probes,
    ports.Closes,
)


@dataclass(frozen=True)
class Needs:
    """``always`` is needed in any case; ``each`` is {parameter: {value: what this value needs}}."""

    always: frozenset[Need] = frozenset()
    each: Mapping[str, Mapping[Any, Need]] = field(default_factory=dict)

    def values(self, name: str, declared: frozenset[Need]) -> list[Any]:
        return [value for value, need in self.each[name].items() if need in declared]

    def met(self, declared: frozenset[Need]) -> bool:
        return self.always <= declared and all(self.values(name, declared) for name in self.each)


def needs(*always: Need, **each: Mapping[Any, Need]) -> Callable[[Function], Function]:
    """Marks a test with what it needs. It runs for every value of ``each`` that applies, and is
    left out where no value does."""

    def mark(test: Function) -> Function:
        setattr(test, ATTRIBUTE, Needs(frozenset(always), each))
        return test

    return mark


def needs_of(test: object) -> Needs:
    found = getattr(test, ATTRIBUTE, None)
    return found if isinstance(found, Needs) else Needs()


@dataclass(frozen=True)
class LeftOut:
    """Stands where a test would; pytest collects nothing that cannot be called."""

    test: object


def leave_out(contract: type, declared: frozenset[Need]) -> None:
    """Takes out of the class what its declarations do not cover, and puts back in what they do:
    the class that it extends may have declared less."""
    for name in dir(contract):
        held = getattr_static(contract, name, None)
        left_out = isinstance(held, LeftOut)
        test = held.test if isinstance(held, LeftOut) else held
        met = needs_of(test).met(declared)
        if met and left_out:
            setattr(contract, name, test)
        elif not met and not left_out:
            setattr(contract, name, LeftOut(test))


def methods(port: type) -> dict[str, int]:
    """{name: number of arguments} of a protocol's methods."""
    return {
        name: len(inspect.signature(method).parameters) - 1
        for name, method in vars(port).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }


def undeclared(contract: type) -> list[str]:
    return [name for name in ("capabilities", "faults") if not hasattr(contract, name)]


def opened_and_closed(connector: Connector, access: SystemAccess) -> None:
    opened = connector.open(access)
    if isinstance(opened, Closes):
        opened.close()


class Contract:
    """The base of both sides. ``side`` is ``centre`` or ``academy``."""

    side: ClassVar[str]
    capabilities: ClassVar[frozenset[type]]
    """The protocols of ``lms_bridge.domain.ports`` that the connector is meant to implement."""
    faults: ClassVar[frozenset[Fault]]
    """What the peer can be made to do wrong; none, where nothing can go wrong."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not undeclared(cls):
            leave_out(cls, cls.capabilities | cls.faults)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Cuts parameters down to those that apply, and has no class run that declares nothing."""
        missing = undeclared(type(self))
        expect(not missing, f"{type(self).__name__} does not declare {' and '.join(missing)}")
        found = needs_of(metafunc.function)
        for name in found.each:
            metafunc.parametrize(name, found.values(name, self.capabilities | self.faults))

    @pytest.fixture
    def system(self, peer: Peer) -> Iterator[object]:
        """The connector's object, open on the peer."""
        opened = peer.connector.open(peer.access())
        yield opened
        if isinstance(opened, Closes):
            opened.close()

    @pytest.fixture(autouse=True)
    def no_secret(self, peer: Peer, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        """Whatever a test does, no log record holds a secret or a person's data."""
        caplog.set_level(logging.DEBUG)
        yield
        for record in caplog.get_records("call"):
            expect_no_secret(record.getMessage(), peer.secret, "a log record")
            expect_no_secret(repr(record.__dict__), peer.secret, "a log record")

    def able(self, system: object, *ports: type) -> Any:
        """The system, which has to have these capabilities."""
        missing = [port.__name__ for port in ports if not isinstance(system, port)]
        expect(not missing, f"the connector lacks {', '.join(missing)}")
        return system

    def broken(self, peer: Peer, fault: Fault) -> None:
        expect(fault in self.faults, f"the fault {fault} is not declared")
        peer.break_next(fault)

    def test_descriptor(self, peer: Peer) -> None:
        described = peer.connector
        expect(re.fullmatch(r"[a-z][a-z0-9_]*", described.name), "the name is not lower_case")
        expect(described.title.strip(), "there is no title")
        expect(self.side in described.sides, f"the side {self.side} is not declared")
        expect(described.sides <= {"centre", "academy"}, "there is a side that nobody knows")
        names = [option.name for option in described.options]
        expect_same(sorted(set(names)), sorted(names), "options")
        for option in described.options:
            expect(option.kind in KINDS, f"the option {option.name} has an unknown kind")
            expect(option.help.strip(), f"the option {option.name} has no help")
            expect(
                option.kind != "number" or option.bounds is not None,
                f"the option {option.name} is a number without bounds",
            )

    def test_has_the_declared_capabilities(self, system: object) -> None:
        found = {port.__name__ for port in PORTS if isinstance(system, port)}
        expect_same(found, {port.__name__ for port in self.capabilities}, "capabilities")

    def test_methods_take_what_the_bridge_passes(self, system: object) -> None:
        for port in self.capabilities:
            for name, count in methods(port).items():
                signature = inspect.signature(getattr(system, name))
                try:
                    signature.bind(*[None] * count)
                except TypeError as error:
                    pytest.fail(f"{name}: {error}", pytrace=False)

    def test_all_wrong_settings_are_reported_at_once(self, peer: Peer) -> None:
        described, access = peer.connector, replace(peer.access(), address="")
        if not described.needs_address:
            opened_and_closed(described, access)
            return
        with pytest.raises(SettingsInvalid) as raised:
            opened_and_closed(described, access)
        expect(raised.value.problems, "no problem is named")
        expect_discreet(raised.value, peer.secret)

    @needs(Fault.DENIED)
    def test_opening_makes_no_request(self, peer: Peer) -> None:
        self.broken(peer, Fault.DENIED)
        opened_and_closed(peer.connector, peer.access())

    def test_no_repr_shows_the_secret(self, peer: Peer, system: object) -> None:
        for thing in (system, peer.access()):
            expect_no_secret(repr(thing), peer.secret, "a repr")

    @needs(Probes)
    def test_probe_finds_a_good_peer_good(self, peer: Peer, system: object) -> None:
        findings = list(self.able(system, Probes).probe())
        expect(findings, "the probe finds nothing to say")
        missing = [found.message for found in findings if found.verdict is Verdict.MISSING]
        expect_same(missing, [], "missing")

    @needs(Probes, Fault.DENIED)
    def test_probe_tells_what_is_missing(self, peer: Peer, system: object) -> None:
        able = self.able(system, Probes)
        self.broken(peer, Fault.DENIED)
        try:
            findings = list(able.probe())
        except BridgeError as error:
            expect(isinstance(error, AccessDenied), f"the probe raised {type(error).__name__}")
            expect_discreet(error, peer.secret)
            return
        missing = [found for found in findings if found.verdict is Verdict.MISSING]
        expect(missing, "the probe did not notice that it has no access")
        for found in missing:
            expect_no_secret(repr(found), peer.secret, "a finding")
