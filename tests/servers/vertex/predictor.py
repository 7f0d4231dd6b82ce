"""A predictor for linear models, y = x . weights + bias, of which weights.json at AIP_STORAGE_URI holds the numbers."""

import json
import pathlib
import time

import numpy as np
from google.cloud.aiplatform.prediction.predictor import Predictor
from google.cloud.aiplatform.utils import prediction_utils


class Linear(Predictor):
    def load(self, artifacts_uri, **_):
        prediction_utils.download_model_artifacts(artifacts_uri)
        model = json.loads(pathlib.Path("weights.json").read_text())
        time.sleep(model.get("load_seconds", 0))
        self.weights, self.bias = np.array(model["weights"]), model["bias"]

    def predict(self, instances):
        rows = np.array(instances["instances"], dtype="float64")
        return {"predictions": (rows @ self.weights + self.bias).tolist()}
