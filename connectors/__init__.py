"""Connectors: one folder per kind of outside system. Each is found through an entry point."""
