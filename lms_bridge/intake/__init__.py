"""Records that people and programs hand in: pushed schedules and imported files."""
