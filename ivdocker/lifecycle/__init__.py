"""L4. Whose a container is, and what happens to it when its owner is told to end: ``ownership``, ``shutdown``."""
