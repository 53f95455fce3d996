"""Three sites under names of their own, over HTTPS: the sample Academy, the bridge, and a sample
centre's tool. To a browser they are as far apart as three organisations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

from lms_bridge.bridge import Bridge
from lms_bridge.devtools.lti.platform_state import PlatformCourse, RegisteredTool, SamplePerson
from lms_bridge.devtools.lti.sample_platform import SamplePlatform
from lms_bridge.devtools.lti.sample_tool import SampleTool
from lms_bridge.devtools.lti.signatures import Signer
from lms_bridge.devtools.lti.site import serve, serve_application
from lms_bridge.devtools.lti.tool_state import RegisteredPlatform
from lms_bridge.domain.document import document
from lms_bridge.lti import registrations, vocabulary
from lms_bridge.lti.context import LtiContext, open_lti
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.server.app import create_app
from lms_bridge.store import offerings
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
LEARNER = SamplePerson("acad-1", "Sample", "Learner 1", "acad-1@example.org")
WAITING = SamplePerson("acad-4", "Sample", "Learner 4", "acad-4@example.org")
STRANGER = SamplePerson("acad-5", "Sample", "Learner 5", "acad-5@example.org")
TEACHER = SamplePerson("teacher-1", "Sample", "Coordinator", "teacher-1@example.org", teaches=True)
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
    lti: LtiContext
    tool: LtiRegistration
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
        port = stack.enter_context(serve_application(late, certificate=secure))
        bridge = make_bridge(database, f"https://{BRIDGE}:{port}")
        stack.callback(bridge.close)
        late.app = create_app(bridge)
        lti = open_lti(bridge.settings, bridge.database, bridge.vault)
        ids = seed(bridge.database)
        _publish(bridge)
        tool = _connect(bridge, lti, academy, centre)
        _fill(academy)
        yield World(academy, centre, bridge, lti, tool, ids)


def _publish(bridge: Bridge) -> None:
    """The Academy holds every offering, so that the catalogue shows them."""
    with bridge.database.writing() as tx:
        for code in ("ONE", "TWO"):
            for id_, record in offerings.offerings_of(tx, code).items():
                publish(tx, id_, record, document(record))


def _connect(
    bridge: Bridge, lti: LtiContext, academy: SamplePlatform, centre: SampleTool
) -> LtiRegistration:
    """Each side knows the other; gives the centre's tool as the bridge knows it."""
    platform = LtiRegistration(
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
    tool = LtiRegistration(
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
        registrations.add(tx, platform)
        tool = registrations.add(tx, tool)
    academy.register(
        RegisteredTool(
            CLIENT,
            DEPLOYMENT,
            login_address=f"{lti.address}/lti/tool/login",
            redirect_addresses=(f"{lti.address}/lti/tool/launch",),
            target_address=f"{lti.address}/lti/tool/launch",
            keys_address=f"{lti.address}/lti/tool/jwks",
        )
    )
    centre.register(
        RegisteredPlatform(
            lti.address,
            tool.client_id,
            "7",
            authentication_address=f"{lti.address}/lti/authentication",
            token_address=f"{lti.address}/lti/token",
            keys_address=f"{lti.address}/lti/keys",
        )
    )
    return tool


def _fill(academy: SamplePlatform) -> None:
    academy.add_people(PEOPLE)
    everybody = tuple(person.id for person in PEOPLE if not person.teaches)
    academy.add_course(PlatformCourse("A-1", "Spectrum, a sample course", everybody))
    academy.add_link("A-1", TO_THE_CENTRE, {"offering": "OFF-1"})
    academy.add_link("A-1", TO_THE_BRIDGE)
