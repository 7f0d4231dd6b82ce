"""Log lines of the model servers, as they write them: line, failure code, words that the message must have."""

from __future__ import annotations

Sample = tuple[str, str, str]

MLSERVER: list[Sample] = [
    (
        "RuntimeError: There is no current event loop in thread 'MainThread'.",
        "container-exited",
        "uvloop",
    ),
    (
        "2026-01-01 00:00:00,000 [mlserver] ERROR - Failed load model settings at /mnt/models/m/model-settings.json.",
        "model-load-failed",
        "/mnt/models/m/model-settings.json",
    ),
    (
        "mlserver.errors.InvalidModelURI: Invalid URI specified for model m (/mnt/models/model.joblib)",
        "model-load-failed",
        "/mnt/models/model.joblib",
    ),
    ("ModuleNotFoundError: No module named 'mlserver_sklearn'", "model-load-failed", "mlserver_sklearn"),
    (
        "2026-01-01 00:00:00,000 [mlserver][m] INFO - Couldn't load model 'm'. Model will be removed from registry.",
        "model-load-failed",
        "'m'",
    ),
]

MLFLOW: list[Sample] = [
    (
        'mlflow.exceptions.MlflowException: Could not find an "MLmodel" configuration file at "/opt/ml/model"',
        "model-not-found",
        "/opt/ml/model",
    ),
    (
        "mlflow.exceptions.MlflowException: Invalid path: resolved path is outside the artifact directory: 'model.pkl'",
        "model-load-failed",
        "symbolic link",
    ),
    ("OSError: No such artifact: model.pkl", "model-load-failed", "model.pkl"),
    (
        'mlflow.exceptions.MlflowException: Model does not have the "python_function" flavor',
        "model-load-failed",
        "python_function",
    ),
    ("zipfile.BadZipFile: File is not a zip file", "model-load-failed", "File is not a zip file"),
    ("ModuleNotFoundError: No module named 'sklearn'", "model-load-failed", "sklearn"),
    ("INFO:     Child process [42] died", "model-load-failed", "for ever"),
    (
        "mlflow.exceptions.MlflowException: Failed to load the pickled function",
        "model-load-failed",
        "Failed to load the pickled function",
    ),
]

SAMPLES: dict[str, list[Sample]] = {"mlserver": MLSERVER, "mlflow": MLFLOW}
