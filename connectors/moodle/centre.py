"""A training centre's Moodle."""

from __future__ import annotations

from connectors.moodle.accounts import Accounts
from connectors.moodle.client import Client
from connectors.moodle.enrolments import Enrolments
from connectors.moodle.learners import Learners
from connectors.moodle.offerings import Offerings
from connectors.moodle.options import CENTRE, settings, site_address
from connectors.moodle.probe import Probe
from connectors.moodle.results import Results
from connectors.moodle.rosters import Rosters
from connectors.moodle.site import Site
from lms_bridge.domain.ports import Access, Option
from lms_bridge.http import Http


class MoodleCentre(Offerings, Rosters, Accounts, Learners, Enrolments, Results, Probe):
    """Everything that the bridge does with a centre's Moodle, each part in a module of its own."""

    def close(self) -> None:
        self._site.close()


def open_site(access: Access, declared: tuple[Option, ...]) -> Site:
    """A Moodle ready to be asked; makes no request.

    Raises:
        SettingsInvalid: with every problem of the address, the secret and the options.
    """
    values = settings(access, declared)
    http = Http(access.limits, private_addresses=access.private_addresses, system=access.system)
    address = site_address(access)
    client = Client(http, address, access.secret.strip())
    return Site(client, address, values, access.limits.calls_at_once)


def open_centre(access: Access) -> MoodleCentre:
    return MoodleCentre(open_site(access, CENTRE))
