"""Login initiation: the platform sends a browser, and the tool sends it back to be vouched for.

Sources: LTI Core 1.3, section 5.1.1; OpenID Connect Core 1.0, section 3.1.2.1 and section 4 (third
party initiated login); LTI OIDC Login with LTI Client Side postMessages 1.0 (platform storage).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from urllib.parse import quote_plus, urlencode, urlsplit

from pylti1p3.oidc_login import OIDCLogin
from pylti1p3.redirect import Redirect
from pylti1p3.registration import Registration

from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.tool.configuration import Platforms, registration_of
from lms_bridge.lti.tool.reading import origin
from lms_bridge.lti.tool.request import Cookies, Form, Kept, Session, fingerprint, fresh

PARAMETERS = (
    "iss",
    "login_hint",
    "target_link_uri",
    "lti_message_hint",
    "lti_deployment_id",
    "client_id",
    "lti_storage_target",
)
LONGEST = 4_000


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that has begun: where the browser goes, and how it will be known again.

    ``secret`` is the value of the cookie, and of the platform storage where ``storage`` (the name
    of the platform's frame) is given; ``platform`` is the origin that storage is asked at.
    """

    address: str
    state: str
    nonce: str
    secret: str
    cookie: str
    platform: str
    storage: str = ""


class Login(OIDCLogin[Form, Platforms, Session, Cookies, str]):
    """PyLTI1p3's login with one record for the whole of it, bound to the browser."""

    def __init__(
        self, form: Form, platforms: Platforms, session: Session, cookies: Cookies, address: str
    ) -> None:
        super().__init__(form, platforms, session, cookies)
        self._address = address
        self._state = ""

    def begin(self, launch_address: str) -> Begun:
        """Raises LtiRefused, with a code for each thing that is missing or wrong."""
        address = self._prepare_redirect_url(launch_address)
        party = self._party()
        cookies, nonce = self._cookie_service, self._session_service.nonce
        self._session_service.keep(
            self._state,
            Kept(
                nonce=nonce,
                issuer=party.issuer,
                client_id=party.client_id,
                deployment=self._request.get_param("lti_deployment_id"),
                target=self._request.get_param("target_link_uri"),
                browser=fingerprint(cookies.secret),
                storage=self._request.get_param("lti_storage_target"),
            ),
        )
        return Begun(
            address=address,
            state=self._state,
            nonce=nonce,
            secret=cookies.secret,
            cookie=cookies.name,
            platform=origin(party.authorization_endpoint),
            storage=self._request.get_param("lti_storage_target"),
        )

    def validate_oidc_login(self) -> Registration:
        _check_sizes(self._request)
        iss = _required(self._request, "iss", "issuer-missing", "who sends it")
        _required(self._request, "login_hint", "login-hint-missing", "whom it is about")
        target = _required(self._request, "target_link_uri", "target-missing", "what it is for")
        check_target(target, self._address)
        client_id = self._request.get_param("client_id")
        self._tool_config.find_registration_by_params(iss, client_id)
        party = self._party()
        deployment = self._request.get_param("lti_deployment_id")
        if deployment and deployment not in party.deployment_ids:
            raise LtiRefused(
                "deployment-unknown",
                "The login comes from a deployment that is not registered.",
                "An operator can add its deployment id to the registration.",
                status=403,
            )
        return registration_of(party)

    def _prepare_redirect_url(self, launch_url: str) -> str:
        """The authentication request (Security Framework 1.1, section 5.1.1.2). PyLTI1p3 puts it
        together anew for each login, and loses a query that the endpoint has of its own."""
        self.validate_oidc_login()
        party = self._party()
        self._state, nonce = f"state-{fresh()}", fresh()  # as PyLTI1p3 begins it
        self._cookie_service.set_cookie(self._state, self._state)
        self._session_service.save_nonce(nonce)
        always = _always(party.authorization_endpoint, party.client_id, launch_url)
        hint = quote_plus(self._request.get_param("login_hint"))
        address = f"{always}&state={self._state}&nonce={nonce}&login_hint={hint}"
        message = self._request.get_param("lti_message_hint")
        return f"{address}&lti_message_hint={quote_plus(message)}" if message else address

    def get_redirect(self, url: str) -> Redirect[str]:
        raise NotImplementedError  # the web's business

    def _party(self) -> Party:
        return usable(self._tool_config.party)


@lru_cache(1024)
def _always(endpoint: str, client_id: str, launch_address: str) -> str:
    """What is the same in all requests to one platform."""
    fixed = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": client_id,
        "redirect_uri": launch_address,
    }
    mark = "&" if urlsplit(endpoint).query else "?"
    return f"{endpoint.rstrip('?')}{mark}{urlencode(fixed)}"


def usable(party: Party | None) -> Party:
    """Raises LtiRefused unless the platform is registered and switched on."""
    if party is None:
        raise LtiRefused(
            "platform-unknown",
            "The platform that sends you is not registered with the bridge.",
            "Its administrator can connect it; an operator then approves.",
            status=403,
        )
    if not party.active:
        raise LtiRefused(
            "platform-not-active",
            "The platform that sends you is registered, but not approved or switched off.",
            "Please tell the operator of the bridge.",
            status=403,
        )
    return party


def check_target(target: str, address: str) -> None:
    """Raises LtiRefused unless the target is a page of the bridge (LTI Core 1.3, section 5.1.1)."""
    inside = urlsplit(target).path if origin(target) else ""
    if origin(target) != origin(address) or not inside.startswith(urlsplit(address).path + "/lti/"):
        raise LtiRefused(
            "target-foreign",
            "What should be opened is not a page of the bridge.",
            "Check the tool's address in the platform.",
        )


def parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Those of a login, to begin it again in another window."""
    return {name: given[name] for name in PARAMETERS if given.get(name)}


def again(login_address: str, given: Mapping[str, str], **more: str) -> str:
    """The address that begins the same login anew."""
    return f"{login_address}?{urlencode({**parameters(given), **more})}"


def _required(form: Form, name: str, code: str, what: str) -> str:
    value = form.get_param(name)
    if not value:
        raise LtiRefused(code, f"The login does not say {what}.", detail=name)
    return value


def _check_sizes(form: Form) -> None:
    for name in PARAMETERS:
        value = cast(object, form.get_param(name))
        if not isinstance(value, str) or len(value) > LONGEST or "\x00" in value:
            raise LtiRefused("login-too-large", "A part of the login is not usable.", detail=name)
