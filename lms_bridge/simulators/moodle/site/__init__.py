"""What a Moodle site holds, in memory."""
