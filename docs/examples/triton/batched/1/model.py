"""The sum of each row, as a model of Triton's Python backend that takes batches of up to 4 rows."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.respond(request) for request in requests]

    def respond(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
        y = x.sum(axis=1, keepdims=True).astype("float32")
        return pb_utils.InferenceResponse([pb_utils.Tensor("y", y)])
