"""The bridge as an LTI 1.3 Advantage tool: towards the Academy's platform and a centre's LMS.

PyLTI1p3 builds deep linking responses, line items and scores. Logins, launches and service calls
are our own code; docs/adr/0007-one-jose-stack.md says why.
"""

from __future__ import annotations
