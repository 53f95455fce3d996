"""Calls from one site to another: never without a limit of time."""

from __future__ import annotations

from typing import Any

import requests

from lms_bridge.simulators.lti.refusing import NotAccepted

SECONDS = 15.0


def new_session() -> requests.Session:
    """Nothing of the machine's own settings takes part."""
    session = requests.Session()
    session.trust_env = False
    return session


def called(
    session: requests.Session, method: str, address: str, **options: Any
) -> requests.Response:
    """Raises NotAccepted where the other side cannot be reached or refuses."""
    try:
        answer = session.request(method, address, timeout=SECONDS, allow_redirects=False, **options)
    except requests.RequestException as error:
        raise NotAccepted(
            f"The other side cannot be reached ({type(error).__name__}).", 502
        ) from None
    if not 200 <= answer.status_code < 300:
        raise NotAccepted(f"The other side refused: {_refusal(answer)}.", 502)
    return answer


def _refusal(answer: requests.Response) -> str:
    told: object = None
    if "json" in answer.headers.get("Content-Type", ""):
        told = json_of(answer)
    if isinstance(told, dict):
        words = told.get("message") or told.get("error_description") or told.get("error")
        if isinstance(words, str):
            return f"{answer.status_code}, {words.rstrip('.')}"
    return f"status {answer.status_code}"


def json_of(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise NotAccepted("The other side's answer is not JSON.", 502) from None
