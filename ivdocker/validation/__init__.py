"""The main job. ``validate`` and ``serve`` are the public functions. ``plan`` turns the user's arguments into a job.
``attempt`` runs one model on one image."""
