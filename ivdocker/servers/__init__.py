"""The model servers: one file for each, ``registry`` lists them, ``select`` chooses one.

To add a model server, add one file here and one line to ``registry``.
"""
