"""Learners: their courses at all centres, registration, and their calendar."""
