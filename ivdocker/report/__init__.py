"""The verdict and who reads it: ``verdict`` is the data, ``terminal``, ``as_json`` and ``blessing`` show it."""
