"""The address guard: which addresses the bridge may connect to, checked at the connection itself.

A name is resolved once per connection; every address that it stands for is checked, and the
connection is made to one of those very addresses. A second answer of the name server therefore
cannot lead anywhere else (DNS rebinding), and TLS still verifies the name. There is no proxy, no
``.netrc`` and no other influence of the environment.

Public addresses only, and https only, unless *private addresses* are allowed by an explicit
setting. Even then never: the metadata services of clouds, which give away keys, and link-local,
multicast, unspecified and reserved addresses.
"""

from __future__ import annotations

import socket
import string
import time
import unicodedata
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, ClassVar
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from lms_bridge.domain.errors import AddressRefused
from lms_bridge.http.deadline import RESOLVER, Deadline, TimedResponse, next_wait

Ip = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_PART = 16 * 1024
"""The most that one TLS record holds."""
_LOCAL_NET64 = IPv6Network("64:ff9b:1::/48")
_METADATA = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",  # nearly all clouds
            "fd00:ec2::/32",  # Amazon, by IPv6
            "fd20:ce::/32",  # Google, by IPv6
            "fd00:42::42/128",  # Scaleway, by IPv6
            "100.100.100.0/24",  # Alibaba
            "192.0.0.192/32",  # Oracle's first cloud
            "168.63.129.16/32",  # Azure: a public address that leads to the host below
        ),
    )
)
_LOOPBACK_NAMES = (
    *("localhost", "localhost6", "localdomain", "localdomain6"),
    *("ip6-localhost", "ip6-loopback"),
)
"""They, and every name that ends in one of them, mean the machine itself (RFC 6761)."""
_HOST_CHARACTERS = frozenset(string.ascii_letters + string.digits + ".-_:")


def check_address(address: str, *, private_addresses: bool) -> str:
    """The host of an address whose spelling is in order; what it resolves to is checked later.

    Raises:
        AddressRefused: another scheme, a password in it, an odd spelling of an IP address, or the
            IP address of a host that must not be reached. The message names the host at most.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefused("address-invalid", "The address cannot be read.") from None
    if parts.scheme != "https" and not (private_addresses and parts.scheme == "http"):
        raise AddressRefused(
            "address-not-https",
            "The address does not begin with https://.",
            "Use https. The setting network.private_addresses = true also allows plain http, for "
            "systems inside your own network.",
        )
    if "@" in parts.netloc:
        raise AddressRefused(
            "address-with-password", "The address holds a user name or a password."
        )
    _check_host(host, private_addresses=private_addresses)
    return host


def _check_host(host: str, *, private_addresses: bool) -> None:
    folded = _folded(host)
    literal = _literal(folded)
    if literal is not None:
        check_ip(literal, host, private_addresses=private_addresses)
    elif not private_addresses and _is_loopback_name(folded):
        raise _not_public(host)
    elif not host or (host.isascii() and not _HOST_CHARACTERS.issuperset(host)):
        raise AddressRefused("address-invalid", "The address has no proper host name.")
    elif _ends_in_number(folded):
        # 2130706433, 0x7f.1 and 0177.0.0.1 all mean 127.0.0.1 to the C library
        raise AddressRefused(
            "address-odd-spelling", f"The host {host} is an odd spelling of an IP address."
        )


def _folded(host: str) -> str:
    """As the resolver reads it: full-width letters and dots are but other ways to write it."""
    return unicodedata.normalize("NFKC", host).lower().replace("\u3002", ".")


def _is_loopback_name(host: str) -> bool:
    name = host.rstrip(".")
    return any(name == each or name.endswith(f".{each}") for each in _LOOPBACK_NAMES)


def _literal(host: str) -> Ip | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _ends_in_number(host: str) -> bool:
    last = host.rstrip(".").rpartition(".")[2].lower()
    return last.isdecimal() or (last.startswith("0x") and set(last[2:]) <= set(string.hexdigits))


def check_ip(address: Ip, host: str, *, private_addresses: bool) -> None:
    """Raises ``AddressRefused`` unless a connection to this IP address is allowed."""
    meant = _meant(address)
    allowed = _is_usable(meant) if private_addresses else _is_public(meant)
    if not allowed or any(meant in network for network in _METADATA):
        raise _not_public(host)


def _not_public(host: str) -> AddressRefused:
    return AddressRefused(
        "address-not-public",
        f"The host {host} has an address that must not be reached.",
        "A system inside your own network needs the setting network.private_addresses = true. "
        "Addresses of cloud services for their machines are never allowed.",
    )


def _meant(address: Ip) -> Ip:
    """The IPv4 address inside an IPv6 one that is only another way to write it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Ip) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not getattr(address, "is_site_local", False)


def _is_usable(address: Ip) -> bool:
    if address.is_loopback:
        return True
    if isinstance(address, IPv4Address) and int(address) >> 24 == 0:
        return False  # 0.0.0.0/8: "this host", which some systems take for loopback
    return not (
        address.is_unspecified
        or address.is_multicast
        or address.is_link_local
        or address.is_reserved
        or (isinstance(address, IPv6Address) and address in _LOCAL_NET64)
    )


def resolve(
    host: str, port: int, *, private_addresses: bool, seconds: float | None = None
) -> list[str]:
    """Every address of a host, in the resolver's order, all of them checked.

    Raises:
        AddressRefused: one of them is not allowed. A name that mixes allowed and forbidden
            addresses is refused whole: no honest centre has such a name.
        OSError: the name does not resolve, or not within so many seconds.
    """
    literal = _literal(host)
    addresses = [host] if literal else RESOLVER.addresses(host, port, seconds)
    for address in addresses:
        check_ip(ip_address(address), host, private_addresses=private_addresses)
    return addresses


def takes_connections(address: str, *, private_addresses: bool, seconds: float) -> bool:
    """Whether the server of an http or https address takes a connection within so many seconds.

    Raises:
        AddressRefused: the guard refused the address.
    """
    host = check_address(address, private_addresses=private_addresses)
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    deadline = Deadline(seconds, time.monotonic)
    try:
        found = resolve(host, port, private_addresses=private_addresses, seconds=seconds)
    except (OSError, UnicodeError):
        return False
    for each in found:
        try:
            create_connection((each, port), max(deadline.left(), 0.01)).close()
        except OSError:
            continue
        return True
    return False


class _Guarded(HTTPConnection):
    """A connection whose check and connect are the same step, and that ends with the deadline."""

    private_addresses: ClassVar[bool] = False
    response_class = TimedResponse

    def _new_conn(self) -> socket.socket:
        port = self.port or self.default_port
        try:
            addresses = resolve(
                self._dns_host,
                port,
                private_addresses=self.private_addresses,
                seconds=next_wait(self.timeout),
            )
        except TimeoutError:
            raise ConnectTimeoutError(self, "The name was not resolved in time.") from None
        except (OSError, UnicodeError) as error:
            reason = error if isinstance(error, socket.gaierror) else socket.gaierror("no name")
            raise NameResolutionError(self.host, self, reason) from None
        return self._connect_to_first(addresses, port)

    def send(self, data: Any) -> None:
        """In small parts: the time-out of a TLS socket counts for each record, not for all."""
        if not isinstance(data, bytes) or self.sock is None:
            super().send(data)
            return
        for start in range(0, len(data), _PART):
            self.sock.settimeout(next_wait(self.timeout))
            super().send(data[start : start + _PART])

    def _connect_to_first(self, addresses: list[str], port: int) -> socket.socket:
        failure: Exception = NewConnectionError(self, "The host has no address.")
        for address in addresses:
            try:
                return create_connection(
                    (address, port), next_wait(self.timeout), socket_options=self.socket_options
                )
            except TimeoutError:
                failure = ConnectTimeoutError(self, "The connection was not made in time.")
            except OSError as error:
                failure = NewConnectionError(self, f"No connection: {error.strerror}")
                failure.__cause__ = error
        raise failure


class _GuardedTls(_Guarded, HTTPSConnection):
    """``HTTPSConnection.connect`` calls ``_new_conn`` and goes on with the host's name."""


class _Private(_Guarded):
    private_addresses = True


class _PrivateTls(_GuardedTls):
    private_addresses = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTls


class _PrivatePool(HTTPConnectionPool):
    ConnectionCls = _Private


class _PrivateTlsPool(HTTPSConnectionPool):
    ConnectionCls = _PrivateTls


_POOLS = {
    False: {"http": _Pool, "https": _TlsPool},
    True: {"http": _PrivatePool, "https": _PrivateTlsPool},
}


class GuardedAdapter(HTTPAdapter):
    """A transport for requests all of whose connections pass the guard."""

    def __init__(self, *, private_addresses: bool, connections: int) -> None:
        self._private_addresses = private_addresses
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS[self._private_addresses]
