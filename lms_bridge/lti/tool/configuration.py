"""PyLTI1p3's configuration of platforms, over the registered parties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import requests
from pylti1p3.deployment import Deployment
from pylti1p3.registration import Registration
from pylti1p3.tool_config.abstract import ToolConfAbstract

from lms_bridge.lti.parties import Party
from lms_bridge.lti.tool.request import Form

NO_SESSION = cast(requests.Session, object())
"""Given to PyLTI1p3 in place of a session: whatever it would fetch is fetched by us."""

FindParty = Callable[[str, str], Party | None]
"""The platform of an issuer and a client id; the latter is empty where a login names none."""
FindById = Callable[[int], Party | None]


def registration_of(party: Party) -> Registration:
    """Without any private key: signing is the key ring's."""
    return (
        Registration()
        .set_issuer(party.issuer)
        .set_client_id(party.client_id)
        .set_auth_login_url(party.authorization_endpoint)
        .set_auth_token_url(party.token_endpoint)
        .set_key_set_url(party.jwks_uri)
    )


class Platforms(ToolConfAbstract[Form]):
    """The platforms that the bridge is a tool of. Several clients for one issuer are usual."""

    def __init__(self, find: FindParty, find_by_id: FindById) -> None:
        self._find, self.find_party = find, find_by_id
        self.party: Party | None = None

    def check_iss_has_one_client(self, iss: str) -> bool:
        return False

    def check_iss_has_many_clients(self, iss: str) -> bool:
        return True

    def find_registration_by_issuer(self, iss: str, *args: Any, **kwargs: Any) -> Registration:
        return self.find_registration_by_params(iss, "", *args, **kwargs)

    def find_registration_by_params(
        self, iss: str, client_id: str, *args: Any, **kwargs: Any
    ) -> Registration:
        """PyLTI1p3 takes a missing registration for an error of its own; ours says more."""
        self.party = self._find(iss, client_id)
        return registration_of(self.party) if self.party else cast(Registration, None)

    def find_deployment(self, iss: str, deployment_id: str) -> Deployment | None:
        return self.find_deployment_by_params(iss, deployment_id, "")

    def find_deployment_by_params(
        self, iss: str, deployment_id: str, client_id: str, *args: Any, **kwargs: Any
    ) -> Deployment | None:
        party = self.party
        if party is None or deployment_id not in party.deployment_ids:
            return None
        return Deployment().set_deployment_id(deployment_id)
