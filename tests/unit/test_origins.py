"""Origins, as browsers compare them and headers have them."""

from __future__ import annotations

import pytest

from lms_bridge.http.origins import origin


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://lms.example.org/course?x=1", "https://lms.example.org"),
        ("https://LMS.example.org:443/", "https://lms.example.org"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("https://пример.example/", "https://xn--e1afmkfd.example"),
        ("https://lms.example.org;script-src/", ""),
        ("https://lms.example.org,x/", ""),
        ("https://" + "ж" * 70 + ".example/", ""),
        ("https://user@lms.example.org/", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_an_origin_is_what_a_header_may_hold(address: str, expected: str) -> None:
    assert origin(address) == expected
