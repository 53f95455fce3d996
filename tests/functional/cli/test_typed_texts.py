"""What is typed after a command may be read by people later: it holds nothing invisible."""

from __future__ import annotations

from tests.functional.cli.conftest import Cli

HIDDEN = "\u202e\u200b\u2066\u009b\u00ad"
ARABIC = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # a word that needs its non-joiner


def test_nothing_that_is_typed_keeps_invisible_characters(alpha: Cli) -> None:
    name = f"Sample{HIDDEN} {ARABIC}"
    alpha("centre", "change", "ALPHA", "--name", name)
    alpha("token", "create", name, "--scope", "offerings:read")
    alpha(
        *("webhook", "add", "https://receiver.example/hook", "--name", name),
        *("--event", "result.changed"),
    )
    alpha("operator", "link", "--name", f"Sample{HIDDEN}")
    alpha(
        *("lti", "add-tool", name, "--login-url", "https://tool.example/login"),
        *("--redirect-url", "https://tool.example/launch"),
        *("--keys-url", "https://tool.example/keys", "--custom", f"note={name}"),
    )
    kept = "".join(alpha.dump())
    assert kept.count(f"Sample {ARABIC}") >= 4
    assert not set(HIDDEN) & set(kept)
