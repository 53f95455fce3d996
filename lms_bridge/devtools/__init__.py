"""Simulated systems around the bridge, and the demo. Nothing else imports from here.

Tests and benchmarks use the simulators, too.
"""
