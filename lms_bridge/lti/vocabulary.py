"""The names that LTI 1.3 and its services give to things.

Sources: LTI Core 1.3; Deep Linking 2.0; Assignment and Grade Services 2.0; Names and Role
Provisioning Services 2.0; LTI Dynamic Registration 1.0.
"""

from __future__ import annotations

VERSION = "1.3.0"
RESOURCE_LINK_REQUEST = "LtiResourceLinkRequest"
DEEP_LINKING_REQUEST = "LtiDeepLinkingRequest"
DEEP_LINKING_RESPONSE = "LtiDeepLinkingResponse"

_LTI = "https://purl.imsglobal.org/spec/lti/claim/"
MESSAGE_TYPE = f"{_LTI}message_type"
LTI_VERSION = f"{_LTI}version"
DEPLOYMENT_ID = f"{_LTI}deployment_id"
TARGET_LINK_URI = f"{_LTI}target_link_uri"
RESOURCE_LINK = f"{_LTI}resource_link"
CONTEXT = f"{_LTI}context"
ROLES = f"{_LTI}roles"
CUSTOM = f"{_LTI}custom"
LAUNCH_PRESENTATION = f"{_LTI}launch_presentation"
TOOL_PLATFORM = f"{_LTI}tool_platform"
LIS = f"{_LTI}lis"

_DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"
DEEP_LINKING_SETTINGS = f"{_DL}deep_linking_settings"
CONTENT_ITEMS = f"{_DL}content_items"
DL_DATA = f"{_DL}data"

AGS_ENDPOINT = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_SERVICE = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
TOOL_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"
PLATFORM_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-platform-configuration"

_AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
LINE_ITEM = f"{_AGS}lineitem"
LINE_ITEM_READ = f"{_AGS}lineitem.readonly"
RESULT_READ = f"{_AGS}result.readonly"
SCORE = f"{_AGS}score"
MEMBERSHIP_READ = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
AGS_SCOPES = (LINE_ITEM, LINE_ITEM_READ, RESULT_READ, SCORE)
SCOPES = (*AGS_SCOPES, MEMBERSHIP_READ)

_ROLE = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
LEARNER = f"{_ROLE}Learner"
INSTRUCTOR = f"{_ROLE}Instructor"
COURSE_OFFERING = "http://purl.imsglobal.org/vocab/lis/v2/course#CourseOffering"

LINE_ITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS_TYPE = "application/vnd.ims.lis.v2.lineitemcontainer+json"
RESULTS_TYPE = "application/vnd.ims.lis.v2.resultcontainer+json"
MEMBERS_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
