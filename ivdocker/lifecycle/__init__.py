"""L4. Whose a container is (``ownership``), and what removes it when its owner ends otherwise than planned.

``shutdown``: a signal asks it to end. ``watchdog``: it is killed. ``orphans``: what even that missed.
"""
