"""Log lines of the model servers, as they write them: line, failure code, words that the message must have."""

from __future__ import annotations

Sample = tuple[str, str, str]

MLSERVER: list[Sample] = [
    (
        "PermissionError: [Errno 13] Permission denied: '/mnt/models/m/weights.json'",
        "model-load-failed",
        "denied access to /mnt/models/m/weights.json",
    ),
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
        "PermissionError: [Errno 13] Permission denied: '/opt/ml/model/MLmodel'",
        "model-load-failed",
        "denied access to /opt/ml/model/MLmodel",
    ),
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
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/opt/ml/model/weights.json'",
        "model-load-failed",
        "/opt/ml/model/weights.json",
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

KSERVE: list[Sample] = [
    (
        "PermissionError: [Errno 13] Permission denied: '/mnt/models/weights.json'",
        "model-load-failed",
        "denied access to /mnt/models/weights.json",
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/mnt/models/weights.json'",
        "model-load-failed",
        "/mnt/models/weights.json",
    ),
    (
        "2026-01-01 00:00:00.000 1 kserve ERROR [__main__.py:<module>():32] failed to locate model file for model iris "
        "under dir /mnt/models, trying loading from model repository.",
        "model-load-failed",
        "'iris'",
    ),
    (
        "ERROR:root:fail to load model iris from dir /mnt/models. exception type <class 'ValueError'>, exception msg: "
        "rotten",
        "model-load-failed",
        "rotten",
    ),
    (
        "kserve.errors.NoModelReady: Model with name iris is not ready.",
        "model-load-failed",
        "no model that is ready",
    ),
    ("ModuleNotFoundError: No module named 'lightgbm'", "model-load-failed", "lightgbm"),
]

TORCHSERVE: list[Sample] = [
    (
        "2026-01-01T00:00:00,000 [INFO ] W-9000-m_1.0-stdout MODEL_LOG - FileNotFoundError: [Errno 2] No such file or "
        "directory: '/tmp/models/32d03a5ef49c4215b9ee2936265c4403/weights.json'",
        "model-load-failed",
        "misses the file weights.json",
    ),
    ("torchserve: error: unrecognized arguments: --disable-token-auth", "container-exited", "0.11.1"),
    ("java not found, please make sure JAVA_HOME is set properly.", "container-exited", "Java"),
    (
        "--model-store directory not found: /home/model-server/model-store",
        "container-exited",
        "/home/model-server/model-store",
    ),
    (
        "2026-01-01T00:00:00,000 [INFO ] W-9000-m_1.0-stdout MODEL_LOG - ModuleNotFoundError: No module named 'torch'",
        "model-load-failed",
        "'torch'",
    ),
    (
        "2026-01-01T00:00:00,000 [INFO ] W-9000-m_1.0-stdout MODEL_LOG - Failed to load model m, exception the weights "
        "are rotten",
        "model-load-failed",
        "the weights are rotten",
    ),
    (
        "2026-01-01T00:00:00,000 [ERROR] W-9000-m_1.0 org.pytorch.serve.wlm.WorkerThread - Auto recovery failed again",
        "model-load-failed",
        "for ever",
    ),
    (
        "2026-01-01T00:00:00,000 [WARN ] main org.pytorch.serve.ModelServer - Failed to load model: m.mar",
        "model-load-failed",
        "m.mar",
    ),
]

BENTOML: list[Sample] = [
    (
        "PermissionError: [Errno 13] Permission denied: '/models/m/weights.json'",
        "model-load-failed",
        "denied access to /models/m/weights.json",
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/models/m/weights.json'",
        "model-load-failed",
        "/models/m/weights.json",
    ),
    ("ModuleNotFoundError: No module named 'sklearn'", "model-load-failed", "sklearn"),
    (
        'bentoml.exceptions.ImportServiceError: Failed to import module "service": invalid syntax (service.py, line 3)',
        "model-load-failed",
        "'service'",
    ),
    (
        "2026-01-01T00:00:00+0000 [ERROR] [entry_service:Summer:1] Initializing service error",
        "model-load-failed",
        "for ever",
    ),
]

OPENAI: list[Sample] = [
    (
        "ValueError: Free memory on device (1.5/15.7 GiB) on startup is less than desired GPU memory utilization (0.9, "
        "14.2 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        "model-load-failed",
        "less than desired GPU memory utilization",
    ),
    (
        "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
        "model-load-failed",
        "too little memory",
    ),
    (
        "llama_model_load: error loading model: tensor 'blk.0' data is not within the file bounds, model is corrupted",
        "model-load-failed",
        "not within the file bounds",
    ),
    ("main: exiting due to model loading error", "model-load-failed", "llama.cpp cannot load"),
    ("main: couldn't bind HTTP server socket, hostname: 0.0.0.0, port: 8080", "not-listening", "port is taken"),
    (
        "  Value error, Model architectures ['NoSuchForCausalLM'] are not supported for now. Supported architectures: "
        "dict_keys(['AfmoeForCausalLM', 'ApertusForCausalLM'])",
        "model-load-failed",
        "does not know the model: Model architectures ['NoSuchForCausalLM'] are not supported for now",
    ),
    (
        "OSError: It looks like the config file at '/models/m/config.json' is not a valid JSON file.",
        "model-load-failed",
        "'/models/m/config.json' is not a valid JSON file",
    ),
    (
        "(Worker pid=62) ERROR 11-22 22:46:02 [multiproc_executor.py:953] RuntimeError: start (0) + length (96) "
        "exceeds dimension size (64).",
        "model-load-failed",
        "engine does not start: RuntimeError: start (0) + length (96) exceeds dimension size (64).",
    ),
    (
        "(EngineCore pid=20) ERROR 11-22 22:30:57 [core.py:1510] RuntimeError: Worker failed with error "
        "'InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx: (None, 'g++')', please "
        "check the stack trace above for the root cause",
        "model-load-failed",
        "No working C++ compiler found",
    ),
    (
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        "model-load-failed",
        "engine does not start",
    ),
    ("Error: ShardCannotStart", "model-load-failed", "cannot start the model"),
]

OPENVINO: list[Sample] = [
    (
        "[2026-01-01 00:00:00.000][1][serving][error][servablemanagermodule.cpp:60] Couldn't start model manager",
        "model-load-failed",
        "cannot load the model",
    ),
]

SAGEMAKER: list[Sample] = [
    (
        "PermissionError: [Errno 13] Permission denied: '/opt/ml/model/weights.json'",
        "model-load-failed",
        "denied access to /opt/ml/model/weights.json",
    ),
    ("java not found, please make sure JAVA_HOME is set properly.", "container-exited", "no Java"),
    (
        "2026-01-01 00:00:00,000 sagemaker-inference ERROR - failed to install required packages, exiting",
        "model-load-failed",
        "code/requirements.txt",
    ),
    (
        "2026-01-01T00:00:00,000 [INFO ] W-9000-model-stdout com.amazonaws.ml.mms.wlm.WorkerLifeCycle - "
        "Backend worker process died.",
        "model-load-failed",
        "for ever",
    ),
]

SAMPLES: dict[str, list[Sample]] = {
    "mlserver": MLSERVER,
    "mlflow": MLFLOW,
    "kserve": KSERVE,
    "torchserve": TORCHSERVE,
    "bentoml": BENTOML,
    "openai": OPENAI,
    "openvino": OPENVINO,
    "sagemaker": SAGEMAKER,
}
