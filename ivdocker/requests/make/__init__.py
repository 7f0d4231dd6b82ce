"""Makes requests: ``synthesize`` makes them up for a model's inputs, ``with_body`` makes a body from given values."""
