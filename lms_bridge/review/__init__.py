"""Pages of reviewers and regional focal points: what waits, one outline, and a region."""
