"""The container engine's command line.

``dialect`` holds the differences between docker and podman. ``argv`` builds command lines and ``parse`` reads their
output (both pure). ``client`` runs them with a deadline, one method per verb. ``logs`` follows a container's log.
"""
