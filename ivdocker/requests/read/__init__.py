"""Reads requests files. Each file format has a file here, and ``files`` chooses among them."""
