"""Looking up the links of many records."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from lms_bridge.domain import batches
from lms_bridge.domain.model import Kind
from lms_bridge.store import links
from lms_bridge.store.database import Database

MANY = 30
_GENERAL = "SELECT sum(generic_plans) FROM pg_prepared_statements WHERE statement LIKE :begins"


def ids(number: int) -> list[str]:
    return [f"{number}-{n}" for n in range(batches.SIZE)]


@pytest.mark.parametrize("of_centre", [True, False])
def test_postgresql_plans_a_look_up_by_its_values(
    postgres_address: str, open_database: Callable[[str], Database], of_centre: bool
) -> None:
    database = open_database(postgres_address)
    common = {"system": "files", "kind": Kind.OFFERING, "centre": "SAMPLE"}
    names = [name for number in range(2) for name in ids(number)]
    with database.writing() as tx:
        links.insert_links(
            tx,
            [{**common, "record_id": n, "external_id": name} for n, name in enumerate(names)],
        )
        for number in range(MANY):
            if of_centre:
                found = links.of_centre(tx, "files", Kind.OFFERING, "SAMPLE", ids(number))
            else:
                found = links.by_external_id(tx, "files", Kind.OFFERING, ids(number))
            assert len(found) == (batches.SIZE if number < 2 else 0)
        general = tx.execute(text(_GENERAL), {"begins": "SELECT link.id%"}).scalar_one()
        assert general == 0  # None, were it not prepared at all
        assert tx.execute(text("SHOW plan_cache_mode")).scalar_one() == "auto"
