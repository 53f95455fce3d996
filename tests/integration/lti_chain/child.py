"""A bridge that is served from a process of its own, and is going to be killed.

Arguments: the database's address, the bridge's public address, the vault's key. It prints where it
is served, and serves until it is killed, or its input ends.
"""

from __future__ import annotations

import sys

from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from tests.integration.lti_platform.world import make_bridge, served


def main(database: str, public: str, key: str) -> None:
    bridge = make_bridge(database, public, Vault(key))
    with served(create_app(bridge)) as address:
        print(address, flush=True)
        sys.stdin.read()
    bridge.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
