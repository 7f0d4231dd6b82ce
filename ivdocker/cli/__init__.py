"""The command line: ``main`` finds the command, and each command has one file.

Imports that only a command needs happen when it runs: sh alone takes 100 ms.
"""
