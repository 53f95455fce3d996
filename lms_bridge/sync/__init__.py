"""Reconciliation: pull, push, and the run of one centre. What the bridge exists for."""

from __future__ import annotations
