"""Webhooks from the command line."""

from __future__ import annotations

import json

from tests.functional.cli.conftest import Cli

ADDRESS = "https://lms.example.org/hook-of-a-secret-path"


def test_a_webhook_is_added_shown_pinged_and_removed(alpha: Cli) -> None:
    assert "no webhook yet" in alpha("webhook", "list").stdout
    made = alpha(
        *("webhook", "add", ADDRESS, "--name", "Sample receiver", "--centre", "ALPHA"),
        *("--event", "enrolment.changed"),
    ).stdout
    secret = made.splitlines()[0]
    assert secret.startswith("whsec_")
    assert "only now" in made
    listed = alpha("webhook", "list").stdout
    assert "lms.example.org" in listed
    assert "secret-path" not in listed
    reported = alpha.json("webhook", "show", "1")
    assert (reported["centre"], reported["events"]) == ("ALPHA", ["enrolment.changed"])
    assert reported["deliveries"] == []

    assert "msg_" in alpha("webhook", "ping", "1").stdout
    (line,) = alpha.json("webhook", "show", "1")["deliveries"]
    assert (line["event"], line["state"], line["log"]) == ("ping", "waiting", [])
    number = str(line["number"])
    assert f"webhook delivery {number}" in alpha("webhook", "show", "1").stdout
    assert alpha.json("webhook", "delivery", number) == line
    assert "ping, waiting" in alpha("webhook", "delivery", number).stdout
    assert "within seconds" in alpha("webhook", "resend", number).stdout
    assert "active" in alpha("webhook", "enable", "1").stdout

    assert "removed" in alpha("webhook", "remove", "1").stdout
    alpha("webhook", "show", "1", code=2)
    alpha("webhook", "delivery", number, code=2)

    runs = alpha.json("run", "list")[::-1]
    assert [list(each["counts"]) for each in runs] == [
        [f"webhook.{action}.done"] for action in ("add", "resend", "remove")
    ]
    assert {(each["centre"], each["flows"], each["trigger"]) for each in runs} == {
        ("ALPHA", "webhooks", "command")
    }
    shown = "".join(alpha("run", "show", str(each["number"])).stdout for each in runs)
    assert "host: lms.example.org" in shown
    assert "event: ping" in shown
    assert "webhook 1 Sample receiver: remove, done" in shown
    assert "secret-path" not in shown


def test_a_renewed_secret_replaces_the_old_one(alpha: Cli) -> None:
    first = alpha("webhook", "add", ADDRESS).stdout.splitlines()[0]
    second, said = alpha("webhook", "renew", "1").stdout.splitlines()
    assert second.startswith("whsec_")
    assert second != first
    assert "valid until" in said
    third = alpha.json("webhook", "renew", "1", "--hours", "0")
    assert third["old_until"] is None
    assert third["secret"] not in (first, second)
    assert "webhooks: 1 with a new secret" in alpha("run", "list").stdout
    last = str(alpha.json("run", "list")[0]["number"])
    assert "secret (personal or secret: values are not shown)" in alpha("run", "show", last).stdout
    shown = alpha("webhook", "list").stdout + json.dumps(alpha.json("webhook", "show", "1"))
    kept = "\n".join(alpha.dump())
    for secret in (first, second, third["secret"]):
        assert secret[6:] not in shown
        assert secret[6:] not in kept


def test_a_webhook_with_a_wrong_address_centre_or_number_is_refused(alpha: Cli) -> None:
    alpha("webhook", "add", "ftp://lms.example.org/", code=2)
    alpha("webhook", "add", ADDRESS, "--centre", "NONE", code=2)
    alpha("webhook", "renew", "1", "--hours", "337", code=2)
    for command in ("show", "delivery", "ping", "resend", "enable", "remove", "renew"):
        for number in ("1", "0", "x", "99999999999999999999999"):
            alpha("webhook", command, number, code=2)


def test_numbers_that_no_database_holds_are_refused(alpha: Cli) -> None:
    beyond = "99999999999999999999999"
    alpha("token", "create", "Sample", "--scope", "webhooks", "--days", beyond, code=2)
    alpha("token", "create", "Sample", "--scope", "webhooks", "--per-minute", beyond, code=2)
    for command in (("hold", "show"), ("hold", "approve"), ("run", "show"), ("lti", "show")):
        alpha(*command, beyond, code=2)
