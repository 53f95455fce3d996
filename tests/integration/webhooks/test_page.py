"""`/webhooks`: what came of telling others, and what an operator can do about it."""

from __future__ import annotations

from sqlalchemy import update

from lms_bridge.store.api_tables import webhook
from lms_bridge.webhooks import storage
from lms_bridge.webhooks.service import ping_webhook
from tests.databases import BOTH
from tests.integration.webhooks.world import Post
from tests.operators import own_field

OWN = {"Origin": "http://localhost"}


def page(post: Post, query: str = "") -> str:
    answer = post.world.operator.get(f"/webhooks{query}")
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


@BOTH
def test_the_page_shows_deliveries_and_actions(post: Post) -> None:
    client, own = post.world.operator, own_field(post.world.operator)
    assert "There is no webhook yet" in page(post)
    hook = post.add(path="-of-a-secret-path")
    other = post.add()
    post.receiver.secret = ""
    ping_webhook(post.world.bridge.database, hook.id, post.now)
    post.receiver.answers = [500]
    post.turn()
    shown = page(post)
    assert "failing since" in shown
    assert "The receiver answered with status 500." in shown
    assert "<li>" in shown  # every attempt
    assert "127.0.0.1" in shown
    assert "secret-path" not in shown
    assert "whsec_" not in shown
    assert "Nothing yet" in page(post, f"?webhook={other.id}")
    (row,) = post.rows()
    again = client.post(
        f"/webhooks/deliveries/{row.id}/resend?webhook={hook.id}", data=own, headers=OWN
    )
    assert again.status_code == 303
    post.go(minutes=1)  # the page has the real clock
    post.turn()
    assert ">delivered" in page(post)
    assert client.post(f"/webhooks/{other.id}/ping", data=own, headers=OWN).status_code == 303
    post.go(minutes=1)
    post.turn()
    assert len(post.receiver.got) == 3


def test_a_disabled_webhook_can_be_enabled(one_post: Post) -> None:
    post, client = one_post, one_post.world.operator
    own = own_field(client)
    hook = post.add()
    ping_webhook(post.world.bridge.database, hook.id, post.now)
    post.turn()
    (row,) = post.rows()
    with post.world.bridge.database.writing() as tx:
        storage.switch_off(tx, hook.id, "nothing got through for 5 days")
    assert "nothing got through for 5 days" in page(post)
    for path in (f"/webhooks/{hook.id}/ping", f"/webhooks/deliveries/{row.id}/resend"):
        answer = client.post(path, data=own, headers=OWN)
        assert answer.status_code == 409
        assert 'role="alert"' in answer.get_data(as_text=True)
    assert client.post(f"/webhooks/{hook.id}/enable", data=own, headers=OWN).status_code == 303
    assert post.hook(hook.id).active
    assert client.post("/webhooks/999/enable", data=own, headers=OWN).status_code == 404


def test_forms_of_strangers_and_other_sites_change_nothing(one_post: Post) -> None:
    post, client = one_post, one_post.world.operator
    hook = post.add()
    path = f"/webhooks/{hook.id}/ping"
    for headers in ({}, {"Origin": "http://evil.example"}):
        assert client.post(path, headers=headers).status_code == 403
    assert post.world.client.post(path, headers=OWN).status_code == 401
    assert post.world.client.get("/webhooks").status_code == 401
    assert post.rows() == []


def test_names_are_escaped(one_post: Post) -> None:
    post = one_post
    post.add()
    with post.world.bridge.database.writing() as tx:
        tx.execute(update(webhook).values(name="<script>x</script> sample@example.org"))
    shown = page(post)
    assert "<script" not in shown
    assert "sample@example.org" not in shown


def test_deliveries_are_listed_in_pages(one_post: Post) -> None:
    post = one_post
    hook = post.add()
    for _ in range(52):
        ping_webhook(post.world.bridge.database, hook.id, post.now)
    first = page(post)
    assert "Older messages" in first
    oldest = post.rows()[2].id
    second = page(post, f"?before={oldest}")
    assert "Older messages" not in second
    assert second.count(">ping<") == 2
