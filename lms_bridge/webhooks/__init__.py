"""Webhooks: others are told of what changed; the Academy tells us in the same form.

The form is that of the Standard Webhooks specification, 1.0 (standardwebhooks.com).
"""
