Placeholder for the stand-in of TensorFlow Serving (tests/servers/tensorflow_serving); not a SavedModel.
