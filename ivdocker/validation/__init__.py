"""The main job: ``validate`` and ``serve`` are the front doors, ``plan`` makes a job of what the user asks, ``attempt``
runs one model on one image."""
