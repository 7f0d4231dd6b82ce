"""``model`` says what a request is, ``send`` sends them, ``record`` and ``warmup`` keep them."""
