"""File formats of TensorFlow that requests are read from and written to, in pure Python."""
