"""The PROXY protocol: a forwarder of TCP connections says whom each one comes from.

Source: "The PROXY protocol, versions 1 & 2" (HAProxy, 2020), sections 2.1 and 2.2. It is read only
from forwarders that the settings name, and these have to send it: nobody guesses.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_HEAD = struct.Struct("!12sBBH")
_LONGEST_LINE = 107
"""Bytes of a header of version 1, with its end."""
_LONGEST_BLOCK = 4096
"""Bytes of a header of version 2: an address, and what forwarders add."""
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
Peer = tuple[str, int]


class ProxyHeaderInvalid(Exception):
    """The connection does not begin with a proper header. It ends."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """``source`` is None for the forwarder's own connection, and where it knows no address.
    ``rest`` are the bytes that follow."""

    source: Peer | None
    rest: bytes


def read_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of a connection; None while it is not whole.

    Raises:
        ProxyHeaderInvalid: no header begins so.
    """
    if data.startswith(_SIGNATURE[: len(data)]):
        return _block(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _line(data)
    raise ProxyHeaderInvalid


def _line(data: bytes) -> ProxyHeader | None:
    line, end, rest = data[:_LONGEST_LINE].partition(b"\r\n")
    if not end:
        if len(data) >= _LONGEST_LINE or b"\n" in data:
            raise ProxyHeaderInvalid
        return None
    rest += data[_LONGEST_LINE:]
    words = line.split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return ProxyHeader(None, rest)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ProxyHeaderInvalid
    kind = IPv4Address if words[1] == b"TCP4" else IPv6Address
    try:
        source, _ = (str(kind(word.decode("ascii"))) for word in words[2:4])
    except ValueError:
        raise ProxyHeaderInvalid from None
    port, _ = map(_port, words[4:])
    return ProxyHeader((source, port), rest)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65_535:
        raise ProxyHeaderInvalid
    return int(word)


def _block(data: bytes) -> ProxyHeader | None:
    if len(data) < _HEAD.size:
        return None
    _, command, family, length = _HEAD.unpack_from(data)
    if command not in (_LOCAL, _PROXY) or length > _LONGEST_BLOCK:
        raise ProxyHeaderInvalid
    end = _HEAD.size + length
    if len(data) < end:
        return None
    source = _source(family, data[_HEAD.size : end]) if command == _PROXY else None
    return ProxyHeader(source, data[end:])


def _source(family: int, block: bytes) -> Peer | None:
    """The source address and its port; other families say nothing that is of use here."""
    size = {_TCP4: 4, _TCP6: 16}.get(family)
    if size is None:
        return None
    if len(block) < 2 * size + 4:
        raise ProxyHeaderInvalid
    address = IPv4Address(block[:4]) if size == 4 else IPv6Address(block[:16])
    (port,) = struct.unpack_from("!H", block, 2 * size)
    return str(address), port
