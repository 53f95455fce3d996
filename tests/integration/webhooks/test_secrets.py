"""Another secret in place of the one before: receivers change over without losing a message."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError
from structlog.testing import capture_logs

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.errors import NotFound
from lms_bridge.signing import signed_headers
from lms_bridge.store.api_tables import webhook
from lms_bridge.webhooks.service import ping_webhook, renew_secret
from tests.databases import BOTH
from tests.integration.webhooks.world import Post


def renew(post: Post, number: int, hours: int) -> str:
    bridge = post.world.bridge
    with capture_logs() as logged:
        _, secret = renew_secret(
            bridge.database, bridge.vault, number, by=post.by("sample person"), hours=hours
        )
    (line,) = logged
    assert (line["webhook"], line["by"]) == (number, "sample person")
    assert secret not in repr(logged)
    return secret


def known_to(secret: str, post: Post) -> bool:
    """Whether a receiver with that secret takes the last message."""
    got = post.receiver.got[-1]
    headers = {name: got.headers[name] for name in got.headers if name.startswith("webhook-")}
    try:
        Verifier(secret).verify(got.raw, headers)
    except WebhookVerificationError:
        return False
    return True


def send(post: Post, number: int) -> None:
    ping_webhook(post.world.bridge.database, number, post.now)
    post.turn()


@BOTH
def test_the_old_and_the_new_secret_both_sign_for_a_while(post: Post) -> None:
    hook = post.add()
    old = post.receiver.secret
    new = renew(post, hook.id, hours=1)
    assert new != old
    assert post.hook(hook.id).old_until == post.now + timedelta(hours=1)
    send(post, hook.id)
    assert post.receiver.got[-1].good  # by the old one, which the receiver still has
    assert known_to(old, post)
    assert known_to(new, post)
    post.receiver.secret = ""
    with post.world.bridge.database.writing() as tx:  # receivers that check have the real clock
        tx.execute(update(webhook).values(old_until=post.now))
    send(post, hook.id)
    assert not known_to(old, post)
    assert known_to(new, post)


@BOTH
def test_the_old_secret_can_end_at_once(post: Post) -> None:
    hook = post.add()
    old, post.receiver.secret = post.receiver.secret, ""
    new = renew(post, hook.id, hours=0)
    send(post, hook.id)
    assert not known_to(old, post)
    assert known_to(new, post)
    assert post.hook(hook.id).old_until is None


def test_only_the_last_two_secrets_sign(one_post: Post) -> None:
    post = one_post
    hook = post.add()
    first, post.receiver.secret = post.receiver.secret, ""
    second, third = renew(post, hook.id, hours=5), renew(post, hook.id, hours=5)
    send(post, hook.id)
    assert [known_to(each, post) for each in (first, second, third)] == [False, True, True]


def test_a_secret_of_another_centre_cannot_be_renewed(one_post: Post) -> None:
    bridge = one_post.world.bridge
    hook = one_post.add()
    token, _ = one_post.world.made_token(reach=DataScope("TWO"))
    with pytest.raises(NotFound):
        renew_secret(bridge.database, bridge.vault, hook.id, token, by=one_post.by())


def test_a_secret_is_renewed_through_the_api(one_post: Post) -> None:
    world = one_post.world
    token = world.token()
    hook = one_post.add()
    answer = world.post(f"/webhooks/{hook.id}/secret", token, json={"hours": 1})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    given = answer.get_json()
    assert given["secret"].startswith("whsec_")
    assert given["old_until"] is not None
    send(one_post, hook.id)
    assert known_to(given["secret"], one_post)
    assert "secret" not in world.get(f"/webhooks/{hook.id}", token).get_json()
    for hours in (-1, 337, "x", 1.5):
        wrong = world.post(f"/webhooks/{hook.id}/secret", token, json={"hours": hours})
        assert wrong.status_code == 422


def test_the_signature_equals_the_reference_example() -> None:
    """The example of the libraries for Standard Webhooks, all of which have it in their tests."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    message = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert signed_headers([secret], message, 1_614_265_330, body) == {
        "webhook-id": message,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
