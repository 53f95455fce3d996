"""The questions to a centre's administrator, and the connections that the answers make.

The words in hints are those that Moodle uses on its own pages.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from lms_bridge.lti.parties import Party, Side
from lms_bridge.lti.vocabulary import SCOPES
from lms_bridge.web.connections.forms import LONGEST_TEXT, Field, Form, Kind

_NAME = Field(
    "name",
    "Name of the LMS",
    "As the operators of the bridge are to see it. Without one, it is called by its host.",
    Kind.TEXT,
    required=False,
    longest=LONGEST_TEXT,
)
REGISTRATION = (
    Field(
        "registration",
        "Registration address of your LMS",
        "Moodle shows it under Publish as LTI tool, Tool registration.",
    ),
)
TOOL = (
    _NAME,
    Field("initiate_login_uri", "Login address", "Initiate login URL"),
    Field(
        "redirect_uris",
        "Redirect addresses, one a line",
        "Where launches may go: Tool URL, Redirection URI",
        Kind.ADDRESSES,
    ),
    Field("jwks_uri", "Address of the key set", "JWKS URL, Public keyset URL"),
    Field(
        "target_link_uri",
        "What a launch opens",
        "Target link. Without one: the first redirect address.",
        required=False,
    ),
    Field(
        "deep_link_uri",
        "Where resources are chosen",
        "Deep linking URL, if your LMS has one. Launches may go there, too.",
        required=False,
    ),
)
PLATFORM = (
    _NAME,
    Field("issuer", "Platform ID (issuer)", longest=LONGEST_TEXT),
    Field("client_id", "Client ID", kind=Kind.TEXT, longest=LONGEST_TEXT),
    Field(
        "deployment_id",
        "Deployment ID",
        "Leave it empty if your LMS does not tell it yet, and send it to the operator later.",
        Kind.TEXT,
        required=False,
        longest=LONGEST_TEXT,
    ),
    Field("authorization_endpoint", "Authentication request URL"),
    Field("token_endpoint", "Access token URL"),
    Field("jwks_uri", "Public keyset URL"),
)


def tool_of(form: Form, centre: str, client_id: str, deployment_id: str) -> Party:
    """The tool that a form without problems describes."""
    values, redirects = form.values, form.lines("redirect_uris")
    deep_link = values["deep_link_uri"]
    also = (deep_link,) if deep_link and deep_link not in redirects else ()
    return Party(
        Side.TOOL,
        name=values["name"] or _host(values["initiate_login_uri"]),
        centre=centre,
        client_id=client_id,
        deployment_ids=(deployment_id,),
        initiate_login_uri=values["initiate_login_uri"],
        redirect_uris=(*redirects, *also),
        jwks_uri=values["jwks_uri"],
        target_link_uri=values["target_link_uri"] or redirects[0],
        deep_link_uri=deep_link,
        scopes=SCOPES,
    )


def platform_of(form: Form, centre: str) -> Party:
    """The platform that a form without problems describes."""
    values = form.values
    return Party(
        Side.PLATFORM,
        name=values["name"] or _host(values["issuer"]),
        centre=centre,
        issuer=values["issuer"],
        client_id=values["client_id"],
        deployment_ids=tuple(filter(None, (values["deployment_id"],))),
        authorization_endpoint=values["authorization_endpoint"],
        token_endpoint=values["token_endpoint"],
        jwks_uri=values["jwks_uri"],
        scopes=SCOPES,
    )


def _host(address: str) -> str:
    return (urlsplit(address).hostname or "")[:LONGEST_TEXT]
