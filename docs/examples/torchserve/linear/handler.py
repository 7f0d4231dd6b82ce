"""y = x . weights + bias, as a handler of TorchServe: {"x": [...]} in, {"y": ...} out."""

import json
import pathlib

import torch


class Linear:
    def initialize(self, context):
        folder = pathlib.Path(context.system_properties["model_dir"])
        model = json.loads((folder / "weights.json").read_text())
        self.weights, self.bias = torch.tensor(model["weights"]), model["bias"]

    def handle(self, requests, context):
        return [self.respond(request["body"]) for request in requests]

    def respond(self, body):
        return {"y": float(torch.tensor(body["x"]) @ self.weights) + self.bias}
