"""The verdict: ``verdict`` is the data and its JSON, ``terminal`` and ``blessing`` show it."""
