"""A server for linear models, y = x . weights + bias, of which weights.json in --model_dir holds the numbers."""

import argparse
import json
import pathlib
import time
import uuid

import kserve
import numpy as np


class Linear(kserve.Model):
    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = pathlib.Path(folder)

    def load(self):
        model = json.loads((self.folder / "weights.json").read_text())
        time.sleep(model.get("load_seconds", 0))
        self.weights, self.bias = np.array(model["weights"]), model["bias"]
        self.ready = model.get("ready", True)
        return self.ready

    def predict(self, payload, *_, **__):
        if isinstance(payload, dict):
            return {"predictions": self.evaluated(payload["instances"]).tolist()}
        y = self.evaluated(payload.inputs[0].as_numpy())
        output = kserve.InferOutput("y", list(y.shape), "FP64")
        output.set_data_from_numpy(y, binary_data=False)
        return kserve.InferResponse(payload.id or uuid.uuid4().hex, self.name, [output])

    def evaluated(self, rows):
        return np.array(rows, dtype="float64") @ self.weights + self.bias


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    parser.add_argument("--model_dir", required=True)
    arguments, _ = parser.parse_known_args()
    model = Linear(arguments.model_name, arguments.model_dir)
    model.load()
    kserve.ModelServer().start([model])
