"""CSV files in and out: the format of docs/files.md."""
