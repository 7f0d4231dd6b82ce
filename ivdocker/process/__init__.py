"""``run`` starts programs (the only importer of sh). ``tree`` reads process data (the only importer of psutil)."""
