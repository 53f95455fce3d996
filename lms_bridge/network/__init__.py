"""The network of centres: cycles, priority areas, memberships, roll-overs, profiles, the year."""
