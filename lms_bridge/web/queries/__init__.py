"""What the pages read from the store. Nothing here writes."""
