"""The address guard: what it refuses, and that the check and the connect are one step."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from lms_bridge.domain.errors import AddressRefused
from lms_bridge.domain.ports import Limits
from lms_bridge.http.address_guard import check_address, check_ip, resolve
from lms_bridge.http.client import Http

PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
INTERNAL = [
    "127.0.0.1",
    "127.8.9.10",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # shared by carriers, RFC 6598
    "::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "64:ff9b::10.0.0.1",  # NAT64 of an internal address
    "2002:7f00:1::",  # 6to4 of loopback
    "fec0::1",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "fe80::1",
    "224.0.0.1",
    "224.0.1.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
    "100.100.100.200",
    "::ffff:100.100.100.200",
    "64:ff9b::100.100.100.200",
    "2002:6464:64c8::",
    "192.0.0.192",
    "168.63.129.16",
    "169.254.170.2",
    "64:ff9b:1::a9fe:a9fe",
    "::169.254.169.254",
]


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("private", [False, True])
def test_public_addresses_are_allowed(address: str, private: bool) -> None:
    check_ip(ip_address(address), "host", private_addresses=private)


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_addresses_need_the_setting(address: str) -> None:
    with pytest.raises(AddressRefused):
        check_ip(ip_address(address), "host", private_addresses=False)
    check_ip(ip_address(address), "host", private_addresses=True)


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("private", [False, True])
def test_dangerous_addresses_are_always_refused(address: str, private: bool) -> None:
    with pytest.raises(AddressRefused):
        check_ip(ip_address(address), "host", private_addresses=private)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://moodle.example.org/", "address-not-https"),
        ("ftp://moodle.example.org/", "address-not-https"),
        ("moodle.example.org", "address-not-https"),
        ("", "address-not-https"),
        ("https://", "address-invalid"),
        ("https://[::1", "address-invalid"),
        ("https://host:port/", "address-invalid"),
        ("https://host\\@inner/", "address-with-password"),
        ("https://user:pa55@moodle.example.org/", "address-with-password"),
        ("https://@moodle.example.org/", "address-with-password"),
        ("https://a host/", "address-invalid"),
        ("https://2130706433/", "address-odd-spelling"),
        ("https://0x7f000001/", "address-odd-spelling"),
        ("https://0x7f.1/", "address-odd-spelling"),
        ("https://0177.0.0.1/", "address-odd-spelling"),
        ("https://127.1/", "address-odd-spelling"),
        ("https://127.0.0.1./", "address-odd-spelling"),
        ("https://127.0.0.1/", "address-not-public"),
        ("https://[::1]/", "address-not-public"),
        ("https://[::ffff:10.0.0.1]/", "address-not-public"),
        ("https://[::ffff:127.0.0.1]/", "address-not-public"),
        ("https://localhost/", "address-not-public"),
        ("https://LOCALHOST./", "address-not-public"),
        ("https://any.localhost:8443/", "address-not-public"),
        ("https://localhost.localdomain/", "address-not-public"),
        ("https://ip6-loopback/", "address-not-public"),
        ("https://ⓛocalhost/", "address-not-public"),
        ("https://１２７.0.0.1/", "address-not-public"),
        ("https://127\u30020\u30020\u30021/", "address-not-public"),
    ],
)
def test_an_odd_spelling_is_refused(address: str, code: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        check_address(address, private_addresses=False)
    assert caught.value.code == code
    assert "pa55" not in str(caught.value)


def test_odd_spellings_stay_refused_where_private_addresses_are_allowed() -> None:
    with pytest.raises(AddressRefused):
        check_address("http://2130706433/", private_addresses=True)
    assert check_address("http://127.0.0.1:8080/x", private_addresses=True) == "127.0.0.1"


def test_proper_addresses_are_allowed() -> None:
    assert check_address("https://Moodle.Example.org/x", private_addresses=False) == (
        "moodle.example.org"
    )
    assert check_address("https://bücher.example/", private_addresses=False) == "bücher.example"


class FakeResolver:
    """Answers name look-ups from a list, one entry a look-up, and counts them."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.requested = 0

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[object]:
        if host.replace(".", "").isdecimal():  # create_connection "resolves" the pinned address
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        self.requested += 1
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.answers.pop(0)
        ]


def test_a_name_that_mixes_public_and_internal_addresses_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", FakeResolver(["8.8.8.8", "10.0.0.1"]))
    with pytest.raises(AddressRefused):
        resolve("moodle.example.org", 443, private_addresses=False)


def test_a_name_that_leads_inside_is_refused_at_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver = FakeResolver(["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    http = Http(Limits(), private_addresses=False)
    with pytest.raises(AddressRefused) as caught:
        http.request("GET", "https://rebound.example.org/", repeatable=True)
    assert caught.value.code == "address-not-public"
    assert resolver.requested == 1


def test_the_connection_goes_to_the_very_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        resolver = FakeResolver(["127.0.0.1"], ["169.254.169.254"])
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        http = Http(
            Limits(attempts=1, read_seconds=0.05, connect_seconds=2), private_addresses=True
        )
        with pytest.raises(Exception, match="no answer in time"):
            http.request("GET", f"http://twice.example.org:{port}/", repeatable=True)
        assert resolver.requested == 1
        connection, _ = listener.accept()
        connection.close()
        http.close()
