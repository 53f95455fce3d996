"""The names that LTI 1.3 gives to things.

They are written down apart from the bridge's own on purpose: a wrong name on one side does not fit
the other.

Sources: LTI Core 1.3; Deep Linking 2.0; Assignment and Grade Services 2.0; Names and Role
Provisioning Services 2.0; Security Framework 1.1.
"""

from __future__ import annotations

VERSION = "1.3.0"
RESOURCE_LINK_REQUEST = "LtiResourceLinkRequest"
DEEP_LINKING_REQUEST = "LtiDeepLinkingRequest"
DEEP_LINKING_RESPONSE = "LtiDeepLinkingResponse"
RESOURCE_LINK_TYPE = "ltiResourceLink"

_CORE = "https://purl.imsglobal.org/spec/lti/claim"
MESSAGE_TYPE = f"{_CORE}/message_type"
LTI_VERSION = f"{_CORE}/version"
DEPLOYMENT = f"{_CORE}/deployment_id"
TARGET = f"{_CORE}/target_link_uri"
RESOURCE_LINK = f"{_CORE}/resource_link"
CONTEXT = f"{_CORE}/context"
ROLES = f"{_CORE}/roles"
CUSTOM = f"{_CORE}/custom"
PRESENTATION = f"{_CORE}/launch_presentation"
PLATFORM = f"{_CORE}/tool_platform"
LIS = f"{_CORE}/lis"

_LINKING = "https://purl.imsglobal.org/spec/lti-dl/claim"
LINKING_SETTINGS = f"{_LINKING}/deep_linking_settings"
CONTENT_ITEMS = f"{_LINKING}/content_items"
DATA = f"{_LINKING}/data"

GRADING = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
MEMBERSHIPS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"

_AGS = "https://purl.imsglobal.org/spec/lti-ags/scope"
LINE_ITEM_SCOPE = f"{_AGS}/lineitem"
LINE_ITEM_READ_SCOPE = f"{_AGS}/lineitem.readonly"
RESULT_SCOPE = f"{_AGS}/result.readonly"
SCORE_SCOPE = f"{_AGS}/score"
MEMBERS_SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
SCOPES = (LINE_ITEM_SCOPE, LINE_ITEM_READ_SCOPE, RESULT_SCOPE, SCORE_SCOPE, MEMBERS_SCOPE)

_MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"
LEARNER = f"{_MEMBERSHIP}#Learner"
INSTRUCTOR = f"{_MEMBERSHIP}#Instructor"

LINE_ITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS_TYPE = "application/vnd.ims.lis.v2.lineitemcontainer+json"
RESULTS_TYPE = "application/vnd.ims.lis.v2.resultcontainer+json"
SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"
MEMBERS_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
