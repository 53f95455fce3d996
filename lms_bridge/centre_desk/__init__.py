"""The desk of a training centre: the pages on which its coordinators and instructors work.

Every act here is one that the API has, too: both call the same functions below.
"""
