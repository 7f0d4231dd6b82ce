"""Judges responses.

``response`` judges a whole response, ``compare`` compares its JSON with the expected one, and ``checks`` finds what no
response may contain.
"""
