"""Keys of peers, and tokens both good and bad, written with nothing of the bridge."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part: str) -> dict[str, Any]:
    found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert isinstance(found, dict)
    return found


def joined(header: dict[str, Any], claims: Any) -> str:
    """The part of a token that is signed."""
    return ".".join(encoded(json.dumps(each).encode()) for each in (header, claims))


class Key:
    """An RSA key with its name."""

    def __init__(self, kid: str = "key-1", bits: int = 2048) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        size = (self.private.key_size + 7) // 8
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "n": encoded(numbers.n.to_bytes(size, "big")),
            "e": encoded(numbers.e.to_bytes(3, "big")),
        }

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, claims: Any, **header: Any) -> str:
        """A token; a header field of None is left out."""
        whole = {"typ": "JWT", "alg": "RS256", "kid": self.kid, **header}
        text = joined({k: v for k, v in whole.items() if v is not None}, claims)
        signature = self.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{encoded(signature)}"

    def sign_with_public_key(self, claims: Any) -> str:
        """HS256 with the public key as the secret: the oldest trick."""
        text = joined({"typ": "JWT", "alg": "HS256", "kid": self.kid}, claims)
        signature = hmac.new(self.public_pem, text.encode(), hashlib.sha256).digest()
        return f"{text}.{encoded(signature)}"

    def unsigned(self, claims: Any) -> str:
        return joined({"typ": "JWT", "alg": "none", "kid": self.kid}, claims) + "."
