"""The platform that launches into all tools alike: a key, its key set over HTTP, and claims."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lms_bridge.lti import vocabulary

CLIENT, DEPLOYMENT, KID = "benchmark-client", "1", "benchmark-key"
COURSE, COURSE_CODE = "Spectrum management", "CRS-2"
"""What every tool shows when a launch has arrived."""
MOODLES_SECONDS = 0.018
"""What a real Moodle 4.5 took for its key set, on loopback, with nothing else to do."""
_SLOW = "/keys/as-moodle"
_ROLE = "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor"


@dataclass
class Platform:
    """``address`` is its issuer, too."""

    address: str
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    @property
    def keys_address(self) -> str:
        return f"{self.address}/keys"

    @property
    def slow_keys_address(self) -> str:
        """The same key set, at the pace of a real Moodle."""
        return f"{self.address}{_SLOW}"

    @property
    def authorization(self) -> str:
        return f"{self.address}/auth"

    def key_set(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        n, e = (
            _encoded(each.to_bytes((each.bit_length() + 7) // 8)) for each in (numbers.n, numbers.e)
        )
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "n": n, "e": e}]}

    def login(self, target: str) -> dict[str, str]:
        """The parameters of a login initiation."""
        return {
            "iss": self.address,
            "client_id": CLIENT,
            "lti_deployment_id": DEPLOYMENT,
            "login_hint": "4",
            "lti_message_hint": "305",
            "target_link_uri": target,
        }

    def id_token(self, nonce: str, target: str) -> str:
        """A launch of a resource link by somebody who teaches."""
        header = {"typ": "JWT", "alg": "RS256", "kid": KID}
        parts = (header, self._claims(nonce, target))
        text = ".".join(_encoded(orjson.dumps(part)) for part in parts)
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_encoded(signature)}"

    def _claims(self, nonce: str, target: str) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.address,
            "aud": CLIENT,
            "sub": "4",
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "name": "Ada Example",
            "given_name": "Ada",
            "family_name": "Example",
            "email": "ada@example.org",
            vocabulary.DEPLOYMENT_ID: DEPLOYMENT,
            vocabulary.MESSAGE_TYPE: vocabulary.RESOURCE_LINK_REQUEST,
            vocabulary.LTI_VERSION: vocabulary.VERSION,
            vocabulary.TARGET_LINK_URI: target,
            vocabulary.ROLES: [_ROLE],
            vocabulary.RESOURCE_LINK: {"id": "17", "title": COURSE},
            vocabulary.CONTEXT: {
                "id": "5",
                "label": COURSE_CODE,
                "title": COURSE,
                "type": ["http://purl.imsglobal.org/vocab/lis/v2/course#CourseOffering"],
            },
            vocabulary.CUSTOM: {"offering": COURSE_CODE},
            vocabulary.LAUNCH_PRESENTATION: {
                "document_target": "window",
                "return_url": f"{self.address}/course",
                "locale": "en",
            },
            vocabulary.AGS_ENDPOINT: {
                "scope": list(vocabulary.SCOPES[:2]),
                "lineitems": f"{self.address}/items",
                "lineitem": f"{self.address}/items/6",
            },
            vocabulary.NRPS_SERVICE: {
                "context_memberships_url": f"{self.address}/members",
                "service_versions": ["2.0"],
            },
        }


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def platform() -> Iterator[Platform]:
    """Serves the key set until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Platform(f"http://127.0.0.1:{listening.getsockname()[1]}")
        body = orjson.dumps(made.key_set())
        head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
        answer = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        threading.Thread(target=_give, args=(listening, answer), daemon=True).start()
        yield made
        listening.shutdown(socket.SHUT_RDWR)  # wakes the thread, which ends


def _give(listening: socket.socket, answer: bytes) -> None:
    """The least that a server can do: some tools ask for the keys at each launch, and are to wait
    for their own work alone."""
    while True:
        try:
            asking, _ = listening.accept()
        except OSError:
            return
        with suppress(OSError):
            asking.settimeout(5)
            if _SLOW.encode() in asking.recv(65_536).partition(b"\r\n")[0]:
                threading.Timer(MOODLES_SECONDS, _end, (asking, answer)).start()
                continue
        _end(asking, answer)


def _end(asking: socket.socket, answer: bytes) -> None:
    with asking, suppress(OSError):
        asking.sendall(answer)
