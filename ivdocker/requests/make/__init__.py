"""Makes requests: from a model's inputs (``synthesize``), from values without a body (``with_body``)."""
