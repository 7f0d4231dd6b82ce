"""y = weights . (a, b) + bias, as a service of BentoML."""

import json
import pathlib

import bentoml


@bentoml.service
class Linear:
    def __init__(self) -> None:
        model = json.loads(pathlib.Path(__file__).with_name("weights.json").read_text())
        self.weights, self.bias = model["weights"], model["bias"]

    @bentoml.api
    def predict(self, a: float, b: float) -> float:
        return self.weights[0] * a + self.weights[1] * b + self.bias
