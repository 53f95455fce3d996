"""Which tests are for which connectors: each says what it needs, and others never collect it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import getattr_static
from typing import Any, TypeVar

from lms_bridge.testing.peers import Fault

Need = type | Fault
"""A port that the connector has to implement, or a fault that its peer has to be able to cause."""
Function = TypeVar("Function", bound=Callable[..., object])
ATTRIBUTE = "contract_needs"


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
