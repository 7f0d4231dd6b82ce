"""cost = price * amount, as a model of Triton's Python backend with two inputs of different types."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.respond(request) for request in requests]

    def respond(self, request):
        price = pb_utils.get_input_tensor_by_name(request, "price").as_numpy()
        amount = pb_utils.get_input_tensor_by_name(request, "amount").as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("cost", price * amount)])
