"""The sample accounts of the demo: one for each kind of reader. They exist in the demo alone."""

from __future__ import annotations

from collections.abc import Mapping

from lms_bridge.accounts.service import NewAccount, add_account, link_learner
from lms_bridge.bridge import Bridge
from lms_bridge.console.session import by_command
from lms_bridge.devtools.demo.launches import DemoLaunch
from lms_bridge.devtools.demo.samples import DOMAIN
from lms_bridge.domain.access import DataScope
from lms_bridge.domain.availability import TAKES_REGISTRATIONS, availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Flow, Learner, RegistrationType
from lms_bridge.domain.roles import Grant, Role
from lms_bridge.learner.registration import Applicant, register_applicant
from lms_bridge.reference import reference
from lms_bridge.store import accounts, centres, learners, offerings
from lms_bridge.store.accounts import UserAccount
from lms_bridge.store.registration_forms import set_questions

CENTRE, REGION = "AFRALTI", "africa"
QUESTIONS = ("Why do you want to take part?", "What is your work?")
ANSWERS = ("To use it in my work (sample).", "A regulator of a sample country.")
APPLICANTS = 5
MOST_ELSEWHERE = 3
GRANTS: Mapping[str, tuple[Grant, ...]] = {
    "learner": (),
    "coordinator": (Grant(Role.COORDINATOR, DataScope(centre=CENTRE)),),
    "reviewer": (Grant(Role.REVIEWER),),
    "focal-point": (Grant(Role.FOCAL_POINT, DataScope(region=REGION)),),
    "operator": (Grant(Role.OPERATOR),),
}


def sample_name(role: str) -> str:
    """What pages call the sample account with this role."""
    return f"Sample {role.replace('-', ' ')}"


def keep_people(bridge: Bridge, shown: DemoLaunch) -> dict[str, int]:
    """{role: number of its account}. Missing ones are made; the learner is the one who can launch
    from the sample Academy."""
    found = {}
    for role, grants in GRANTS.items():
        email = f"sample-{role}@{DOMAIN}"
        with bridge.database.reading() as tx:
            known = accounts.find_account(tx, email=email)
        if known is None:
            new = NewAccount(email, sample_name(role), grants)
            known = add_account(bridge.database, new, list(reference().regions), by=by_command())
        found[role] = known.number
        if role == "learner":
            _be_learner(bridge, known, shown)
    _keep_applicants(bridge)
    return found


def _be_learner(bridge: Bridge, account: UserAccount, shown: DemoLaunch) -> None:
    with bridge.database.writing() as tx:
        known = learners.learners_by_academy_id(tx, [shown.learner.id]).get(shown.learner.id)
        if known is None or account.learner is not None:
            return
        link_learner(tx, account, known[0], by_command())
    _register_elsewhere(bridge, Applicant(known[1]), shown.offering.centre)


def _register_elsewhere(bridge: Bridge, learner: Applicant, own: str) -> None:
    """The learner has courses at other centres, too: one of each way to register, at least."""
    wanted, chosen = set(RegistrationType), list[Centre]()
    with bridge.database.reading() as tx:
        others = [each for each in centres.all_centres(tx, active_only=True) if each.code != own]
        open_there = {
            centre.code: [
                each
                for each in offerings.offerings_of(tx, centre.code).values()
                if availability(each, utc_now()) in TAKES_REGISTRATIONS
            ]
            for centre in others
        }
    for centre in others:
        found = sorted(open_there[centre.code], key=lambda each: each.registration not in wanted)
        if found and len(chosen) < MOST_ELSEWHERE:
            register_applicant(bridge, centre, found[0].code, learner, {}, by_command())
            wanted.discard(found[0].registration)
            chosen.append(centre)
    bridge.run_all([bridge.request(each, (Flow.ENROLMENTS,), trigger="demo") for each in chosen])


def _keep_applicants(bridge: Bridge) -> None:
    """People whom the sample coordinator may choose from, with answers to the organiser's
    questions. They are made once; the Academy's own registrations are decided there."""
    now = utc_now()
    with bridge.database.reading() as tx:
        courses = offerings.offerings_of(tx, CENTRE)
        made = learners.learners_by_academy_id(tx, ["sample-applicant-1"])
    found = [
        (number, each)
        for number, each in courses.items()
        if each.registration is RegistrationType.APPLICATION
        and availability(each, now) in TAKES_REGISTRATIONS
    ]
    if made or not found:
        return
    number, course = found[0]
    with bridge.database.writing() as tx:
        set_questions(tx, number, QUESTIONS)
    centre = bridge.centre(CENTRE)
    for each in range(1, APPLICANTS + 1):
        person = Learner(
            f"sample-applicant-{each}",
            "Sample",
            f"Applicant {each}",
            f"sample-applicant-{each}@{DOMAIN}",
            country="KE",
        )
        answers = dict(zip(QUESTIONS, ANSWERS, strict=True))
        register_applicant(bridge, centre, course.code, Applicant(person), answers, by_command())
