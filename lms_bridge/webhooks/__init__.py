"""Webhooks send changes to others. The Academy posts events in the same form.

The form is that of the Standard Webhooks specification, 1.0 (standardwebhooks.com).
"""

from __future__ import annotations
