"""y = log(x - 2), as a model of Triton's Python backend: it is NaN for every x below 2."""

import numpy
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.respond(request) for request in requests]

    def respond(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
        y = numpy.log(x - 2).astype("float32")
        return pb_utils.InferenceResponse([pb_utils.Tensor("y", y)])
