"""``run`` starts programs (the only importer of sh), ``tree`` asks the kernel about processes (the only one of
psutil)."""
