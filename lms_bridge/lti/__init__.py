"""LTI 1.3 Advantage, on both sides: keys, tokens, parties, and the two sides' own rooms."""
