# mypy: ignore-errors
# (what it imports is in an environment of its own, which mypy does not see)
"""lti1p3platform as a platform: the library behind the server of the standard library.

    python site.py TOOL_ADDRESS

It prints one line of JSON once it listens. `/start?what=launch|deep|content` begins a login. Its
adapters for FastAPI and Django know neither deep linking nor the services; the library does.
"""

import html
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from lti1p3platform.exceptions import LineItemNotFoundException, LtiException
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.membership import Context
from lti1p3platform.message_launch import LTIAdvantageMessageLaunchAbstract
from lti1p3platform.oidc_login import OIDCLoginAbstract
from lti1p3platform.registration import Registration
from lti1p3platform.request import Request
from lti1p3platform.response import generate_next_link
from lti1p3platform.score import UpdateScoreStatus
from lti1p3platform.service_connector import AssignmentsGradesService, NamesRoleProvisioningService

TOOL = sys.argv[1]
ROLE = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
DEPLOYMENT = "1"
picked, items, scores = [], {}, []


class Configuration(LTI1P3PlatformConfAbstract):
    def init_platform_config(self, **given):
        self._registration = registration

    def get_registration_by_params(self, **given):
        return registration


def make_registration():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return (
        Registration()
        .set_iss(BASE)
        .set_client_id("client-1")
        .set_deployment_id(DEPLOYMENT)
        .set_launch_url(f"{TOOL}/lti/tool/launch")
        .set_deeplink_launch_url(f"{TOOL}/lti/tool/launch")
        .set_oidc_login_url(f"{TOOL}/lti/tool/login")
        .set_tool_key_set_url(f"{TOOL}/lti/tool/jwks")
        .set_platform_public_key(public.decode())
        .set_platform_private_key(private.decode())
    )


class Asked(Request):
    """One request, as the library wants to see it: numbers of pages as numbers."""

    def build_metadata(self, request):
        body = request.body
        form = request.headers.get("Content-Type", "") == "application/x-www-form-urlencoded"
        return {
            "method": request.command,
            "form_data": dict(parse_qsl(body.decode())) if form else {},
            "get_data": {k: int(v) if v.isdecimal() else v for k, v in request.query.items()},
            "headers": request.headers,
            "content_type": request.headers.get("Content-Type"),
            "path": request.path,
            "json": json.loads(body) if body and not form else None,
        }


class Login(OIDCLoginAbstract):
    def set_lti_message_hint(self, **given):
        self._lti_message_hint = given["what"]

    def get_redirect(self, url):
        return url


class Launch(LTIAdvantageMessageLaunchAbstract):
    def prepare_launch(self, preflight_response):
        what = preflight_response["lti_message_hint"]
        user = preflight_response["login_hint"]
        role = f"{ROLE}{'Instructor' if what == 'deep' else 'Learner'}"
        self.set_user_data(user, [role], f"Learner {user[-1]}", f"learner{user[-1]}@example.org")
        self.set_launch_context_claim("5", [], "A course", "C1")
        self.set_ags(f"{BASE}/items")
        self.set_nrps(f"{BASE}/members")
        if what == "deep":
            self.set_dl(f"{BASE}/picked", "Pick", extra_data={"course": 5})
            return
        self.set_resource_link_claim("17", title="A link")
        if what == "content":
            self.set_custom_parameters_claim(picked[0]["custom"])

    def render_launch_form(self, launch_data, **given):
        fields = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(launch_data[name])}">'
            for name in ("id_token", "state")
        )
        address = html.escape(launch_data["launch_url"])
        return f'<!doctype html><form method="post" action="{address}">{fields}</form>'


class Grades(AssignmentsGradesService):
    def find_lineitems(self, page=1, limit=None, tag=None, resource_id=None, **given):
        found = [
            each
            for each in items.values()
            if tag in (None, each.get("tag")) and resource_id in (None, each.get("resourceId"))
        ]
        return {"content": found, "has_next": False}

    def find_lineitem(self, line_item_id):
        if line_item_id not in items:
            raise LineItemNotFoundException
        return items[line_item_id]

    def create_lineitem(self, creation_data):
        address = f"{BASE}/items/{len(items) + 1}"
        items[address] = {**creation_data, "id": address}
        return items[address]

    def update_lineitem(self, update_data):
        items[self.find_lineitem(update_data["id"])["id"]] = update_data
        return update_data

    def delete_lineitem(self, line_item_id):
        del items[line_item_id]

    def update_score(self, line_item_id, score):
        self.find_lineitem(line_item_id)
        newest = [
            s["timestamp"]
            for at, s in scores
            if (at, s["userId"]) == (line_item_id, score["userId"])
        ]
        if newest and newest[-1] >= score["timestamp"]:
            return UpdateScoreStatus.OLD_TIMESTAMP
        scores.append((line_item_id, score))
        return UpdateScoreStatus.SUCCESS

    def get_results(self, line_item_id, page=1, limit=None, user_id=None):
        best = {s["userId"]: s for at, s in scores if at == line_item_id}
        found = [
            {
                "id": f"{line_item_id}/results/{user}",
                "scoreOf": line_item_id,
                "userId": user,
                "resultScore": each.get("scoreGiven"),
                "resultMaximum": each.get("scoreMaximum"),
            }
            for user, each in best.items()
        ]
        return {"content": found, "has_next": False}


class Members(NamesRoleProvisioningService):
    def get_member_data_page(self, page=1, limit=None, **given):
        size = limit or 5
        people = [
            {
                "user_id": f"ext-{number}",
                "roles": [f"{ROLE}Learner"],
                "name": f"Learner {number}",
                "email": f"learner{number}@example.org",
            }
            for number in range(1, 6)
        ]
        shown = people[(page - 1) * size : page * size]
        return {"content": shown, "has_next": page * size < len(people)}

    def get_context_by_id(self):
        return Context("5", "C1", "A course")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *given):
        pass

    def answer(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        self.query, place = dict(parse_qsl(parts.query)), parts.path
        try:
            self.dispatch(place)
        except LtiException as error:
            self.send_json({"error": "invalid_client", "error_description": str(error)}, 401)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 (names of the base)

    def dispatch(self, place):
        if place == "/start":
            login = Login(None, Configuration())
            login.set_lti_message_hint(what=self.query["what"])
            user = "ext-9" if self.query["what"] == "deep" else "ext-1"
            self.send(302, b"", Location=login.initiate_login(user))
        elif place == "/auth":
            self.send_html(Launch(Asked(self), Configuration()).lti_launch())
        elif place == "/keys":
            self.send_json(Configuration().get_jwks())
        elif place == "/token":
            self.send_json(Configuration().get_access_token(Asked(self).form_data))
        elif place == "/picked" and self.command == "POST":
            picked[:] = Configuration().validate_deeplinking_resp(Asked(self).form_data)
            self.send_html("Picked")
        elif place == "/picked":
            self.send_json(picked)
        elif place == "/grades":
            self.send_json([[s["userId"], s.get("scoreGiven")] for _, s in scores])
        else:
            self.serve(place)

    def serve(self, place):
        if place == "/members":
            service = Members(Asked(self), Configuration(), f"{BASE}/members")
            found = service.handle_resp(service.handle_get_members)
        else:
            service = Grades(Asked(self), Configuration(), f"{BASE}/items")
            found = self.grade(service, f"{BASE}{place}")
        result, following = found.result, None
        if isinstance(result, dict):
            following = result.pop("next", None)
            result = result.get("content", result)
        more = {"Link": generate_next_link(following)} if following else {}
        self.send_json(result, found.code, found.media_type, **more)

    def grade(self, service, address):
        if address.endswith("/items"):
            new = self.command == "POST"
            call = service.handle_create_lineitem if new else service.handle_get_lineitems
            return service.handle_resp(call)
        item, _, last = address.rpartition("/")
        calls = {"scores": service.handle_update_score, "results": service.handle_get_results}
        if last in calls:
            return service.handle_resp(calls[last], line_item_id=item)
        put = self.command == "PUT"
        call = service.handle_update_lineitem if put else service.handle_get_lineitem
        return service.handle_resp(call, line_item_id=address)

    def send_html(self, text):
        self.send(200, text.encode(), **{"Content-Type": "text/html; charset=utf-8"})

    def send_json(self, value, status=200, media_type="application/json", **more):
        self.send(status, json.dumps(value).encode(), **{"Content-Type": media_type}, **more)

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    BASE = f"http://127.0.0.1:{server.server_port}"
    registration = make_registration()
    ready = {"issuer": BASE, "client_id": "client-1", "deployment": DEPLOYMENT}
    print(json.dumps(ready), flush=True)
    server.serve_forever()
