"""y = x . weights + bias, as a service of BentoML."""

import json
import pathlib

import bentoml


@bentoml.service
class Linear:
    def __init__(self) -> None:
        model = json.loads(pathlib.Path(__file__).with_name("weights.json").read_text())
        self.weights, self.bias = model["weights"], model["bias"]

    @bentoml.api
    def predict(self, x: list[float]) -> float:
        return sum(w * v for w, v in zip(self.weights, x, strict=True)) + self.bias
