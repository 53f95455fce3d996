"""The HTML pages that come where JSON was expected, in the simulator's own plain words."""

from html import escape

HTML_TYPE = "text/html; charset=utf-8"


def page(title: str, text: str) -> bytes:
    """A small HTML page."""
    title, text = escape(title), escape(text)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1><p>{text}</p></body>\n</html>\n"
    ).encode()


def maintenance(site_name: str) -> bytes:
    """What a site under maintenance shows, with the title that Moodle gives it."""
    return page(f"{site_name} under maintenance", "The site is not available at the moment.")


def login(site_name: str) -> bytes:
    """What a session that has ended, or a captive portal, shows."""
    return page(f"Log in to the site | {site_name}", "Username and password, please.")
