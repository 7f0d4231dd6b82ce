"""y = x . weights + bias, as the SageMaker Inference Toolkit asks for it."""

import json
import os

import numpy as np


def model_fn(model_dir):
    with open(os.path.join(model_dir, "weights.json")) as file:
        model = json.load(file)
    return np.array(model["weights"]), model["bias"]


def input_fn(body, content_type):
    return np.array(json.loads(body)["instances"], dtype="float64")


def predict_fn(rows, model):
    weights, bias = model
    return rows @ weights + bias


def output_fn(predictions, accept):
    return json.dumps({"predictions": predictions.tolist()})
