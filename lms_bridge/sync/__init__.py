"""Reconciliation: pull, push, and the run of one centre. What the bridge exists for."""
