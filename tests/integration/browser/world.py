"""Three sites under names of their own, over HTTPS: the sample Academy, the bridge, and a sample
centre's tool. To a browser they are as far apart as three organisations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.document import document
from lms_bridge.lti import parties, vocabulary
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.room import Room, open_room
from lms_bridge.simulators.lti import (
    Course,
    Person,
    Platform,
    SamplePlatform,
    SampleTool,
    Signer,
    Tool,
    serve,
    serving,
)
from lms_bridge.store import offerings
from lms_bridge.web import create_app
from tests.integration.browser.certificates import Certificates
from tests.integration.lti_platform.world import Late, make_bridge, seed
from tests.integration.web.filling import publish

ACADEMY, STRICT = "academy.example", "strict.example"
BRIDGE, CENTRE = "bridge.example", "centre.example"
PROBE = "probe.example"
HOSTS = (ACADEMY, STRICT, BRIDGE, CENTRE, PROBE)
TO_THE_CENTRE, TO_THE_BRIDGE = "Spectrum at the centre", "About the bridge"
"""Links of the course A-1: to the offering OFF-1, and to none."""
CLIENT, DEPLOYMENT = "bridge-at-the-academy", "1"
LEARNER = Person("acad-1", "Sample", "Learner 1", "acad-1@example.org")
WAITING = Person("acad-4", "Sample", "Learner 4", "acad-4@example.org")
STRANGER = Person("acad-5", "Sample", "Learner 5", "acad-5@example.org")
TEACHER = Person("teacher-1", "Sample", "Coordinator", "teacher-1@example.org", teaches=True)
PEOPLE = (LEARNER, WAITING, STRANGER, TEACHER)


@cache
def _signer(host: str) -> Signer:
    """Made once for each site: making a key takes longer than a launch."""
    del host
    return Signer()


@dataclass
class World:
    """The three sites, connected."""

    academy: SamplePlatform
    centre: SampleTool
    bridge: Bridge
    room: Room
    tool: Party
    ids: dict[str, int]


@contextmanager
def world(
    database: str,
    certificates: Certificates,
    host: str = ACADEMY,
    *,
    offers_storage: bool = False,
) -> Iterator[World]:
    """``host`` is where the Academy lives."""
    academy = SamplePlatform(
        "Sample Academy", offers_storage=offers_storage, signer=_signer(ACADEMY)
    )
    centre, late = SampleTool("Sample centre", signer=_signer(CENTRE)), Late()
    with ExitStack() as stack:
        secure = certificates.server
        stack.enter_context(serve(academy, name=host, certificate=secure))
        stack.enter_context(serve(centre, name=CENTRE, certificate=secure))
        port = stack.enter_context(serving(late, certificate=secure))
        bridge = make_bridge(database, f"https://{BRIDGE}:{port}")
        stack.callback(bridge.close)
        late.app = create_app(bridge)
        room = open_room(bridge.settings, bridge.database, bridge.vault)
        ids = seed(bridge.database)
        _publish(bridge)
        tool = _connect(bridge, room, academy, centre)
        _fill(academy)
        yield World(academy, centre, bridge, room, tool, ids)


def _publish(bridge: Bridge) -> None:
    """The Academy holds every offering, so that the catalogue shows them."""
    with bridge.database.writing() as tx:
        for code in ("ONE", "TWO"):
            for id_, record in offerings.offerings_of(tx, code).items():
                publish(tx, id_, record, document(record))


def _connect(bridge: Bridge, room: Room, academy: SamplePlatform, centre: SampleTool) -> Party:
    """Each side knows the other; gives the centre's tool as the bridge knows it."""
    platform = Party(
        Side.PLATFORM,
        name="Sample Academy",
        issuer=academy.address,
        client_id=CLIENT,
        deployment_ids=(DEPLOYMENT,),
        authorization_endpoint=f"{academy.address}/authentication",
        token_endpoint=f"{academy.address}/token",
        jwks_uri=f"{academy.address}/keys",
        scopes=vocabulary.SCOPES,
        status=Status.ACTIVE,
        private_addresses=True,
    )
    tool = Party(
        Side.TOOL,
        name="Sample centre",
        centre="ONE",
        client_id="centre-at-the-bridge",
        deployment_ids=("7",),
        jwks_uri=f"{centre.address}/keys",
        initiate_login_uri=f"{centre.address}/login",
        redirect_uris=(f"{centre.address}/launch",),
        target_link_uri=f"{centre.address}/launch",
        deep_link_uri=f"{centre.address}/launch",
        scopes=vocabulary.SCOPES,
        status=Status.ACTIVE,
        private_addresses=True,
    )
    with bridge.database.writing() as tx:
        parties.add(tx, platform)
        tool = parties.add(tx, tool)
    academy.register(
        Tool(
            CLIENT,
            DEPLOYMENT,
            login_address=f"{room.address}/lti/tool/login",
            redirect_addresses=(f"{room.address}/lti/tool/launch",),
            target_address=f"{room.address}/lti/tool/launch",
            keys_address=f"{room.address}/lti/tool/jwks",
        )
    )
    centre.register(
        Platform(
            room.address,
            tool.client_id,
            "7",
            authentication_address=f"{room.address}/lti/authentication",
            token_address=f"{room.address}/lti/token",
            keys_address=f"{room.address}/lti/keys",
        )
    )
    return tool


def _fill(academy: SamplePlatform) -> None:
    academy.add_people(PEOPLE)
    everybody = tuple(person.id for person in PEOPLE if not person.teaches)
    academy.add_course(Course("A-1", "Spectrum, a sample course", everybody))
    academy.add_link("A-1", TO_THE_CENTRE, {"offering": "OFF-1"})
    academy.add_link("A-1", TO_THE_BRIDGE)
