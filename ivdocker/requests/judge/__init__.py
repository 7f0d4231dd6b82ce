"""Judges responses: against what was expected (``compare``), and against what no response may hold (``checks``)."""
