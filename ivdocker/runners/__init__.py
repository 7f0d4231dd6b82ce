"""L4. Where a model server runs: ``base`` is TFX's contract, ``local_docker`` the docker runtime of this machine."""
