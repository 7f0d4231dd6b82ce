"""The container engine's command line: one method per docker verb.

``dialect`` says how docker and podman differ, ``argv`` builds command lines, ``parse`` reads what they print (both
pure), ``client`` runs them with a deadline, ``logs`` follows a container's log.
"""
