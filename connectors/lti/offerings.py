"""A chosen resource as an offering.

Source: Deep Linking 2.0, section 3.2 (the properties of a resource link).
"""

from __future__ import annotations

from lms_bridge.domain.custom import ITU_FIELDS
from lms_bridge.domain.lti_ports import ChosenResource
from lms_bridge.domain.model import Modality, OfferingStatus
from lms_bridge.domain.ports import Raw


def offering(resource: ChosenResource) -> Raw:
    """Its fields are those of the content item, and of its custom parameters ``itu_…``. Without a
    status of its own it is published once people can know when it is given, and planned before."""
    fields: dict[str, object] = {"title": resource.title, "description": resource.description}
    given = {"starts_at": resource.starts_at, "ends_at": resource.ends_at}
    for name, custom in ITU_FIELDS.items():
        given[name] = resource.custom.get(custom, "")
    fields |= {name: text for name, text in given.items() if text}
    if "status" not in fields:
        dated = "starts_at" in fields or _self_paced(fields.get("modality"))
        fields["status"] = str(OfferingStatus.PUBLISHED if dated else OfferingStatus.PLANNED)
    return Raw(resource.code, fields)


def _self_paced(modality: object) -> bool:
    """As the schema reads it: by value or label, in any case."""
    text = "".join(letter for letter in str(modality).casefold() if letter.isalnum())
    return text == "".join(letter for letter in Modality.SELF_PACED if letter.isalnum())
