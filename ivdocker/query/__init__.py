"""L3. Requests and answers: ``requests`` reads them, ``compare`` holds an answer against what was expected."""
