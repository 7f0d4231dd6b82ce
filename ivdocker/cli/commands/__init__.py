"""One file per command. A file is imported only when its command runs."""
