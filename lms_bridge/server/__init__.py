"""The web server: the Flask application, and the process that serves it."""
