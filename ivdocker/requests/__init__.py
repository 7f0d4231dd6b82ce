"""Requests to a model server.

``model`` says what a request is, ``read/`` reads requests from files, ``make/`` makes them up, ``send`` sends them,
``judge/`` compares the responses, ``record`` and ``warmup`` write them to files.
"""
