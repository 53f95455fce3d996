"""Pushed schedules: a centre says what it offers, and is told what became of each row."""
