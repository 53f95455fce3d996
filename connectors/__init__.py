"""Connectors: one folder per kind of outside system, found through an entry point."""
