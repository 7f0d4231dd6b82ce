"""TensorFlow's file formats for requests, in pure Python."""
