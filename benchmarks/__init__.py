"""Measurements of what the project promises about speed and memory. See docs/performance.md."""
