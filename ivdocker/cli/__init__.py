"""The command line: ``main`` dispatches, one file per command.

What a command needs beyond its arguments is imported when it runs: sh alone takes 100 ms.
"""
