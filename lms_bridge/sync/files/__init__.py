"""Files and pushed schedules: records as rows, and rows that say nothing new."""
