"""A forwarder of TCP says whom each connection comes from, if the settings name it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.server.limits import ServerLimits
from lms_bridge.settings import load
from lms_bridge.web.client_address import networks
from tests.integration.server.world import PATIENT, World, read_all, served

FROM_HERE = replace(PATIENT, forwarders=networks("127.0.0.1"))
GET = b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n"
PORT = b"GET /port HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def block(command: int, family: int, inner: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(inner)) + inner


def addresses(source: str, port: int, more: bytes = b"") -> bytes:
    packed = ip_address(source).packed
    return packed + packed + struct.pack("!HH", port, 443) + more


HEADERS = {
    "1, IPv4": (b"PROXY TCP4 198.51.100.7 192.0.2.1 50123 443\r\n", b"198.51.100.7 50123"),
    "1, IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n", b"2001:db8::7 1"),
    "1, unknown": (b"PROXY UNKNOWN\r\n", b"127.0.0.1 "),
    "1, unknown and more": (b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n", b"127.0.0.1 "),
    "2, IPv4": (block(0x21, 0x11, addresses("198.51.100.7", 50123)), b"198.51.100.7 50123"),
    "2, IPv6": (block(0x21, 0x21, addresses("2001:db8::7", 9)), b"2001:db8::7 9"),
    "2, with more": (
        block(0x21, 0x11, addresses("198.51.100.7", 8, b"\x04\x00\x03abc")),
        b"198.51.100.7 8",
    ),
    "2, local": (block(0x20, 0x00, b""), b"127.0.0.1 "),
    "2, local with an address": (block(0x20, 0x11, addresses("198.51.100.7", 8)), b"127.0.0.1 "),
    "2, a socket of the machine": (block(0x21, 0x31, b"\x00" * 216), b"127.0.0.1 "),
}
MALFORMED = {
    "no header": LAST,
    "another family": b"PROXY UDP4 198.51.100.7 192.0.2.1 1 2\r\n",
    "no address": b"PROXY TCP4 example.org 192.0.2.1 1 2\r\n",
    "an address of the other family": b"PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n",
    "a word too few": b"PROXY TCP4 198.51.100.7 192.0.2.1 1\r\n",
    "a port too large": b"PROXY TCP4 198.51.100.7 192.0.2.1 1 65536\r\n",
    "a port that is none": b"PROXY TCP4 198.51.100.7 192.0.2.1 1 +2\r\n",
    "bytes that are no text": b"PROXY TCP4 198.51.100.7\xff 192.0.2.1 1 2\r\n",
    "a line end of one byte": b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\n",
    "a line without an end": b"PROXY TCP4 " + b"1" * 200,
    "version 3": SIGNATURE + b"\x31\x11\x00\x0c" + addresses("198.51.100.7", 1),
    "another command": block(0x22, 0x11, addresses("198.51.100.7", 1)),
    "a block too short": block(0x21, 0x11, b"\x00" * 4),
    "a block too long": SIGNATURE + b"\x21\x11\xff\xff",
}


@pytest.fixture(scope="module")
def behind() -> Iterator[World]:
    with served(FROM_HERE) as made:
        yield made


@pytest.fixture(scope="module")
def facing() -> Iterator[World]:
    """A server to which this machine is a stranger."""
    with served(replace(PATIENT, forwarders=networks("192.0.2.0/24 2001:db8::/32"))) as made:
        yield made


def peers_of(answer: bytes) -> list[bytes]:
    return [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]


@pytest.mark.parametrize("kind", HEADERS)
def test_requests_come_from_whom_the_forwarder_names(behind: World, kind: str) -> None:
    header, peer = HEADERS[kind]
    address, port = peer.split(b" ")
    shown, named, again = peers_of(behind.ask(header + GET + PORT + LAST))
    assert (shown, again) == (address, address)
    assert named == port if port else named.isdigit()
    with behind.connect() as client:
        for byte in header + LAST:
            client.sendall(bytes([byte]))
        (only,) = peers_of(read_all(client))
    assert only == address


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_forwarder_without_a_proper_header_is_not_answered(behind: World, kind: str) -> None:
    assert behind.ask(MALFORMED[kind] + (LAST if kind != "no header" else b"")) == b""
    assert behind.ask(HEADERS["2, local"][0] + LAST).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("kind", HEADERS)
def test_nobody_else_is_believed(facing: World, kind: str) -> None:
    answer = facing.ask(HEADERS[kind][0] + LAST)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"127.0.0.1" in facing.ask(LAST)


def test_a_header_that_does_not_come_ends_with_the_heads_deadline() -> None:
    limits = ServerLimits(threads=2, head=0.5, forwarders=networks("127.0.0.1"))
    with served(limits) as world:
        for begun in (b"", b"PROXY TCP4 ", SIGNATURE[:5], HEADERS["2, IPv4"][0][:-1]):
            assert world.ask(begun) == b""
        assert b"408" in world.ask(HEADERS["2, IPv4"][0] + GET[:10])


def test_connections_count_for_their_real_addresses(behind: World) -> None:
    header, _ = HEADERS["1, IPv6"]
    with behind.connect(header + GET) as client:
        client.recv(1)
        assert behind.server._peers["2001:db8::/64"] == 1
    assert peers_of(behind.ask(header + LAST))


def test_forwarders_are_addresses_or_networks() -> None:
    with pytest.raises(SettingsInvalid, match=r"web\.proxy_protocol_from"):
        load({"LMS_BRIDGE_WEB__PROXY_PROTOCOL_FROM": "haproxy.example"})
