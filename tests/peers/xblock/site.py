# mypy: ignore-errors
# (what it imports is in an environment of its own, which mypy does not see)
"""`lti-consumer-xblock` as a platform without Open edX: a Django site of one file.

Run by the Python of an environment of its own, which the test makes in a temporary folder (the
package is AGPL: it is talked to over HTTP, and nothing of it is imported by the bridge):

    python site.py PORT TOOL_ADDRESS FOLDER

It prints one line of JSON when it is ready. `/start?what=launch|deep|content` begins a login.
"""

import json
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

PORT, TOOL, FOLDER = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
BASE = f"http://127.0.0.1:{PORT}"
LOCATION = "block-v1:Centre+C1+2026+type@lti_consumer+block@x1"
COURSE = "course-v1:Centre+C1+2026"

import django  # noqa: E402 (the arguments come first)
from django.conf import settings  # noqa: E402 (the arguments come first)

settings.configure(
    DEBUG=False,
    SECRET_KEY="test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="__main__",
    USE_TZ=True,
    LTI_BASE=BASE,
    LTI_API_BASE=BASE,
    LMS_ROOT_URL=BASE,
    PLATFORM_NAME="A centre",
    USAGE_ID_PATTERN=r"(?P<usage_id>(?:i4x://?[^/]+/[^/]+/[^/]+/[^@]+(?:@[^/]+)?)|(?:[^/]+))",
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.sessions",
        "config_models",
        "rest_framework",
        "lti_consumer",
    ],
    MIDDLEWARE=[
        "edx_django_utils.cache.middleware.RequestCacheMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "edx_django_utils.cache.middleware.TieredCacheMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "platform.sqlite3"}
    },
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)

from lti_consumer.plugin import compat  # noqa: E402 (Django's settings come first)

GRADES = []
MEMBERS = {
    number: {
        "id": number,
        "username": f"learner{number}",
        "email": f"learner{number}@example.org",
        "name": f"Learner {number}",
        "profile__name": f"Learner {number}",
        "roles": ["student"],
    }
    for number in range(1, 6)
}


class Block:
    """What the platform asks of a block of a course."""

    has_score, accept_grades_past_due, weight, display_name = True, True, 100, "A tool"
    lti_1p3_passport_id, context_id = "", COURSE
    scope_ids = SimpleNamespace(usage_id=LOCATION)

    def is_past_due(self):
        return False

    def max_score(self):
        return 100

    def set_user_module_score(self, user, score, maximum, comment=""):
        GRADES.append([str(user), score, maximum])


compat.load_enough_xblock = lambda location: Block()
compat.load_block_as_user = lambda location: Block()
compat.user_has_studio_write_access = lambda *args: True
compat.get_course_members = lambda key: {k: dict(v) for k, v in MEMBERS.items()}
compat.merge_course_forum_roles = lambda key, members: members
compat.batch_get_or_create_externalids = lambda users: {
    number: SimpleNamespace(external_user_id=f"ext-{number}") for number in MEMBERS
}
compat.get_user_from_external_user_id = lambda external_id: external_id
for name in ("database_config", "external_config", "external_user_id_1p1_launches"):
    flag = f"get_{name}_waffle_flag"
    if hasattr(compat, flag):
        setattr(compat, flag, lambda: mock.Mock(is_enabled=lambda *args: True))

django.setup()

from django.core.management import call_command  # noqa: E402 (Django's settings come first)
from django.http import HttpResponseRedirect, JsonResponse  # noqa: E402 (Django's settings come first)
from django.urls import include, path  # noqa: E402 (Django's settings come first)

call_command("migrate", verbosity=0)

from lti_consumer.api import get_lti_1p3_launch_start_url  # noqa: E402 (Django's settings come first)
from lti_consumer.data import Lti1p3LaunchData  # noqa: E402 (Django's settings come first)
from lti_consumer.models import (  # noqa: E402 (Django's settings come first)
    CourseAllowPIISharingInLTIFlag,
    Lti1p3Passport,
    LtiConfiguration,
    LtiDlContentItem,
)
from opaque_keys.edx.keys import CourseKey, UsageKey  # noqa: E402 (Django's settings come first)

passport = Lti1p3Passport.objects.create(lti_1p3_tool_keyset_url=f"{TOOL}/lti/tool/jwks")
LAUNCH = f"{TOOL}/lti/tool/launch"
config = LtiConfiguration.objects.create(
    version=LtiConfiguration.LTI_1P3,
    config_store=LtiConfiguration.CONFIG_ON_DB,
    location=UsageKey.from_string(LOCATION),
    lti_1p3_oidc_url=f"{TOOL}/lti/tool/login",
    lti_1p3_launch_url=LAUNCH,
    lti_1p3_redirect_uris=[LAUNCH],
    lti_1p3_passport=passport,
    lti_advantage_enable_nrps=True,
    lti_advantage_deep_linking_enabled=True,
    lti_advantage_deep_linking_launch_url=LAUNCH,
    lti_advantage_ags_mode=LtiConfiguration.LTI_ADVANTAGE_AGS_PROGRAMMATIC,
)
CourseAllowPIISharingInLTIFlag.objects.create(course_id=CourseKey.from_string(COURSE), enabled=True)


def start(request):
    """Sends the browser to the tool, as a click in a course does."""
    what = request.GET.get("what", "launch")
    data = Lti1p3LaunchData(
        user_id="1",
        external_user_id="ext-1",
        user_role="instructor" if what == "deep" else "student",
        config_id=config.config_id,
        resource_link_id=LOCATION,
        name="Learner 1",
        email="learner1@example.org",
        context_id=COURSE,
        context_type=["course_offering"],
        context_title="A course",
        context_label="C1",
        custom_parameters={} if what == "content" else {"offering": "none"},
        launch_presentation_document_target="iframe",
    )
    content = LtiDlContentItem.objects.first() if what == "content" else None
    address = get_lti_1p3_launch_start_url(
        data, deep_link_launch=what == "deep", dl_content_id=content.id if content else None
    )
    return HttpResponseRedirect(address)


def picked(request):
    return JsonResponse([each.attributes for each in LtiDlContentItem.objects.all()], safe=False)


def grades(request):
    return JsonResponse(GRADES, safe=False)


urlpatterns = [
    path("start", start),
    path("picked", picked),
    path("grades", grades),
    path("api/", include("lti_consumer.plugin.urls")),
]


def main():
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    from django.core.wsgi import get_wsgi_application

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args):
            pass

    server = make_server("127.0.0.1", PORT, get_wsgi_application(), Server, Quiet)
    consumer = config.get_lti_consumer()
    ready = {
        "issuer": consumer.iss,
        "client_id": consumer.client_id,
        "authorization_endpoint": f"{BASE}/api/lti_consumer/v1/launch/",
        "token_endpoint": f"{BASE}/api/lti_consumer/v1/token/{passport.passport_id}",
        "jwks_uri": f"{BASE}/api/lti_consumer/v1/public_keysets/{passport.passport_id}",
        "services": f"{BASE}/api/lti_consumer/v1/lti/{config.id}",
        "run": str(uuid.uuid4()),
    }
    print(json.dumps(ready), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
