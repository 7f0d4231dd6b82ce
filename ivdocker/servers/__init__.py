"""What runs: one file per model server, and ``registry``, the list of them.

A new model server is one file beside these and one line in the registry.
"""
