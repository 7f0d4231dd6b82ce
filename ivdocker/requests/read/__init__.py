"""Reads requests files: one file per format, ``files`` chooses among them."""
