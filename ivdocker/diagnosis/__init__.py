"""Finds the cause of a failure from the evidence.

``engine_messages`` is the table of known messages, one row per cause, and ``explain`` applies it. ``stop`` judges how a
server ended after SIGTERM, and ``log_errors`` counts the errors in a log. A cause is named only when the evidence names
it. Otherwise the failure is ``container-exited`` or ``engine-error``, with the original text.
"""
