"""The bridge between the ITU Academy and the LMSs of its training centres."""

__version__ = "0.1.0"
