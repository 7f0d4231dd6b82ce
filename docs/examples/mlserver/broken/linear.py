"""y = x . weights + bias for each row of x, as a custom runtime of MLServer."""

import json

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


class Linear(MLModel):
    async def load(self) -> bool:
        with open(await get_model_uri(self.settings)) as file:
            model = json.load(file)
        self.weights, self.bias = np.array(model["weights"]), model["bias"]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0])
        y = (x @ self.weights + self.bias).reshape(-1, 1)
        output = NumpyCodec.encode_output("y", y)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
