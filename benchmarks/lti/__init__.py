"""LTI side by side with others: launches as a tool, id_tokens as a platform."""
