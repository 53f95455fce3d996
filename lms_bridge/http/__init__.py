"""The one HTTP client, and the guard for addresses that strangers name."""
