"""A module of the folder of plugins, which DAGs import."""

from collections import Counter


def count(text):
    """How often each word is in a text."""
    return dict(Counter(text.split()))
