"""Judges responses: ``compare`` compares them with what is expected, ``checks`` finds what no response may contain."""
