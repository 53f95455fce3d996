"""What is made once, and not for each test or process again.

- A container often forbids Python to keep compiled modules. Then each process that a test starts
  would compile the whole product.
- An application compiles the rules of its 270 addresses, and two functions for each. Most tests of
  routes make an application of their own.
- SQLAlchemy keeps compiled statements for each engine. Each test has an engine of its own.
- A bridge makes an RSA key for LTI and loads it again. Together this takes an eighth of a second.
- A password is hashed in a tenth of a second of a processor, on purpose.
- An application compiles each template that it shows. The frame of a page takes 60 milliseconds.
- Python looks for garbage among all that the process holds. Most of it are modules, which stay.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import cache
from itertools import count
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from joserfc.jwk import RSAKey
from sqlalchemy import Connection, Engine, event
from werkzeug.routing import Rule

from lms_bridge.accounts import passwords
from lms_bridge.lti import keys

KEYS = 16
"""More than the bridges of one test make."""
COSTLY_HASHER = vars(passwords)["_HASHER"]
"""The product's own, for a test about it."""


def keep_modules() -> None:
    """Python keeps what it compiles, here and in the processes that the tests start."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def keep_rules() -> None:
    """Equal rules share what is made of them: the parts of their addresses, and the functions that
    build these, to which the rule is an argument."""
    name = "compile"
    compile_it = getattr(Rule, name)
    kept: dict[tuple[object, ...], tuple[Any, ...]] = {}

    def compile_once(rule: Any) -> None:
        ways = rule.map.host_matching, rule.merge_slashes, *rule.map.converters.items()
        defaults = tuple((rule.defaults or {}).items())
        key = (rule.rule, rule.host, rule.subdomain, defaults, *ways)
        if key not in kept:
            compile_it(rule)
            builders = rule._build.__func__, rule._build_unknown.__func__
            names = frozenset(rule.arguments)
            kept[key] = rule._parts, rule._trace, rule._converters, names, *builders
        rule._parts, rule._trace, rule._converters, names, build, build_unknown = kept[key]
        rule.arguments = {*names}
        rule._build = build.__get__(rule, None)
        rule._build_unknown = build_unknown.__get__(rule, None)

    setattr(Rule, name, compile_once)


class _Statements(dict[tuple[Any, ...], Any]):
    """SQLAlchemy's keys begin with an engine's dialect. Ours differ in nothing but their names."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), value)


def keep_statements() -> None:
    """All engines of the process share their compiled statements."""
    kept = _Statements()

    @event.listens_for(Engine, "engine_connect")
    def share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=kept)


class _Keys:
    """Bridges get these keys one after the other, and then the first one again.

    The name of a key is always new, and the database has it locked, as in earnest.
    """

    def __init__(self) -> None:
        self._numbers = count()

    def generate_key(self, bits: int) -> RSAKey:
        return _private_key(next(self._numbers) % KEYS, bits)

    def import_key(self, value: Any) -> RSAKey:
        return _loaded(value) if isinstance(value, str) else RSAKey.import_key(value)


@cache
def _private_key(number: int, bits: int) -> RSAKey:
    del number
    return RSAKey.generate_key(bits)


@cache
def _loaded(pem: str) -> RSAKey:
    return RSAKey.import_key(pem)


def keep_keys() -> None:
    """The keys of the bridges of this process are made and loaded once."""
    vars(keys)["RSAKey"] = _Keys()


def hash_quickly() -> None:
    """Passwords cost next to nothing, as long as no test wants the product's own costs."""
    vars(passwords)["_HASHER"] = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class _Templates(BytecodeCache):
    """Compiled templates. An environment's own ways to read a template are part of the key."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if kept := self._kept.get(_reading(bucket)):
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[_reading(bucket)] = bucket.bytecode_to_string()


def _reading(bucket: Bucket) -> tuple[object, ...]:
    own = bucket.environment
    ways = own.trim_blocks, own.lstrip_blocks, *sorted(own.extensions)
    return bucket.key, bucket.checksum, *ways


def keep_templates() -> None:
    """All applications of the process share their compiled templates."""
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": _Templates()}


def spare_the_collector() -> None:
    """What is there before the first test stays, and need not be looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
