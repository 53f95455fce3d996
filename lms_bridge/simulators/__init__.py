"""Stand-ins for the systems around the bridge, for tests, the demo and benchmarks.

Nothing outside tests, demo and benchmarks may import from here.
"""
