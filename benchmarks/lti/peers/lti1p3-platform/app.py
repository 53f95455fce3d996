"""A platform on lti1p3platform and FastAPI: the authentication endpoint alone.

Its endpoint is a plain function, so that FastAPI runs several at once in threads.
"""

from __future__ import annotations

import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from fastapi import FastAPI, Request
from lti1p3platform.framework.fastapi.message_launch import FastapiMessageLaunch
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.registration import Registration

TOOL = json.loads(os.environ["TOOL"])
ROLE = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
registration = (
    Registration()
    .set_iss(TOOL["issuer"])
    .set_client_id(TOOL["client_id"])
    .set_deployment_id("1")
    .set_launch_url(TOOL["launch"])
    .set_oidc_login_url(TOOL["login"])
    .set_platform_public_key(public)
    .set_platform_private_key(private)
)


class Configuration(LTI1P3PlatformConfAbstract):
    def init_platform_config(self, **given: Any) -> None:
        self._registration = registration

    def get_registration_by_params(self, **given: Any) -> Registration:
        return registration


class Launch(FastapiMessageLaunch):
    def prepare_launch(self, preflight_response: dict[str, Any]) -> None:
        self.set_user_data(preflight_response["login_hint"], [ROLE], "Ada Example")
        self.set_resource_link_claim("17", title="Spectrum management")
        self.set_launch_context_claim("5", [], "Spectrum management", "CRS-2")


app = FastAPI()


@app.get("/auth")
def authentication(request: Request) -> Any:
    return Launch(request, Configuration()).lti_launch()
