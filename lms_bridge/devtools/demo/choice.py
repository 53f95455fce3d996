"""The sample tool in a process of its own, for as long as one person chooses a resource in it.

``python -m lms_bridge.devtools.demo.choice ADDRESS CONNECTION LINK``: the address at which the tool
is known, a file with what ``lms-bridge lti show NUMBER --json`` says of it, and what ``lms-bridge
lti choose`` prints. It opens the link as a browser would, and prints the last page's heading.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from lms_bridge.devtools.demo.visitor import VisitedPage, Visitor
from lms_bridge.devtools.lti.sample_tool import SampleTool
from lms_bridge.devtools.lti.site import serve
from lms_bridge.devtools.lti.tool_state import RegisteredPlatform
from lms_bridge.lti.platform import endpoints


def choose(tool: SampleTool, port: int, link: str, resource: str) -> VisitedPage:
    """Serves the tool while a browser opens the link, and chooses the resource there."""
    visitor = Visitor(lambda address: None)
    try:
        with serve(tool, port):
            page = visitor.send(link, {})
            if not page.address.startswith(tool.address):
                return page
            return visitor.send(page.address, {"resource": resource})
    finally:
        visitor.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lms_bridge.devtools.demo.choice")
    parser.add_argument("address", help="of the tool, on this machine")
    parser.add_argument("connection", type=Path, help="a file of `lms-bridge lti show --json`")
    parser.add_argument("link", help="what `lms-bridge lti choose` prints")
    parser.add_argument("--resource", default="course", help="which one is chosen")
    given = parser.parse_args()
    known = json.loads(given.connection.read_text(encoding="utf-8"))
    parts = urlsplit(given.link)
    bridge = f"{parts.scheme}://{parts.netloc}"
    tool = SampleTool("Sample tool")
    tool.register(
        RegisteredPlatform(
            bridge,
            known["client_id"],
            known["deployment_ids"][0],
            authentication_address=bridge + endpoints.AUTHENTICATION,
            token_address=bridge + endpoints.TOKEN,
            keys_address=bridge + endpoints.KEYS,
        )
    )
    page = choose(tool, urlsplit(given.address).port or 0, given.link, given.resource)
    print(page.heading, flush=True)
    if page.status >= 400:
        print(page.text, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
