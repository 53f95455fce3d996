"""The blueprint of the desk's pages."""

from __future__ import annotations

from flask import Blueprint

pages = Blueprint("centre_desk", __name__, url_prefix="/my-centre", template_folder="templates")
