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
    (
        "Process SpawnProcess-1:\nValueError: the weights are rotten\nINFO:     Child process [42] died",
        "model-load-failed",
        "restarts them endlessly; its last exception: ValueError: the weights are rotten",
    ),
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
        "lacks the file weights.json",
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
        "2026-01-01T00:00:00,000 [INFO ] W-9000-m_1.0-stdout MODEL_LOG - KeyError: 'weights'\n"
        "2026-01-01T00:00:00,001 [WARN ] W-9000-m_1.0 org.pytorch.serve.wlm.BatchAggregator - Load model failed: m, "
        "error: Worker died.",
        "model-load-failed",
        "worker of model 'm' died while it loaded the model; its last exception: KeyError: 'weights'",
    ),
    (
        "2026-01-01T00:00:00,000 [ERROR] W-9000-m_1.0 org.pytorch.serve.wlm.WorkerThread - Auto recovery failed again",
        "model-load-failed",
        "restarts",
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
        "restarts",
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
        "RuntimeError: Failed to infer device type, please set the environment variable `VLLM_LOGGING_LEVEL=DEBUG`",
        "gpu-unavailable",
        "finds no device",
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
    ("java not found, please make sure JAVA_HOME is set properly.", "container-exited", "Java"),
    (
        "2026-01-01 00:00:00,000 sagemaker-inference ERROR - failed to install required packages, exiting",
        "model-load-failed",
        "code/requirements.txt",
    ),
    (
        "2026-01-01T00:00:00,000 [INFO ] W-9000-model-stdout com.amazonaws.ml.mms.wlm.WorkerLifeCycle - "
        "Backend worker process died.",
        "model-load-failed",
        "restarts",
    ),
]

TENSORFLOW_SERVING: list[Sample] = [
    (
        "2025-01-01 00:00:00.1: W tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc:297] "
        "No versions of servable half_plus_two found under base path /models/half_plus_two. Did you forget to name "
        "your leaf directory as a number (eg. '/1/')?",
        "model-load-failed",
        "half_plus_two",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc:353] "
        "FileSystemStoragePathSource encountered a filesystem access error: Could not find base path /models/m for "
        "servable m with error NOT_FOUND: /models/m not found",
        "model-not-found",
        "/models/m",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/util/retrier.cc:37] Loading servable: {name: m version: 1} "
        "failed: File system access error: /models/m/1/saved_model.pb; Permission denied",
        "model-load-failed",
        "Permission denied",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/util/retrier.cc:37] Loading servable: {name: m version: 1} "
        "failed: NOT_FOUND: Could not find SavedModel .pb or .pbtxt at supplied export directory path: /models/m/1. ",
        "model-load-failed",
        "/models/m/1",
    ),
    (
        "Loading servable: {name: m version: 1} failed: DATA_LOSS: Can't parse /models/m/1/saved_model.pb as binary "
        "proto",
        "model-load-failed",
        "damaged",
    ),
    (
        "Loading servable: {name: m version: 1} failed: NOT_FOUND: Op type not registered 'RegexSplitWithOffsets' in "
        "binary running on 0a1b2c3d.",
        "model-load-failed",
        "RegexSplitWithOffsets",
    ),
    (
        "Loading servable: {name: m version: 1} failed: NOT_FOUND: Could not find meta graph def matching supplied "
        "tags: { serve }. To inspect available tag-sets in the SavedModel, use saved_model_cli",
        "model-load-failed",
        "{ serve }",
    ),
    (
        "Loading servable: {name: m version: 1} failed: DATA_LOSS: not an sstable (bad magic number)",
        "model-load-failed",
        "not an sstable",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/model_servers/server.cc:445] Failed to start HTTP Server at "
        "localhost:8501",
        "not-listening",
        "REST",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/util/retrier.cc:37] Loading servable: {name: m version: 3} "
        "failed: INVALID_ARGUMENT: something nobody has seen before",
        "model-load-failed",
        "something nobody has seen before",
    ),
    (
        "2025-01-01 00:00:00.1: E tensorflow_serving/util/retrier.cc:37] Reserving resources for servable: {name: m "
        "version: 3} failed: PERMISSION_DENIED: /models/m/3; Permission denied",
        "model-load-failed",
        "/models/m/3; Permission denied",
    ),
    (
        "[libprotobuf ERROR external/com_google_protobuf/src/google/protobuf/text_format.cc:335] Error parsing "
        'text-format tensorflow.serving.ModelServerConfig: 4:9: Message type "tensorflow.serving.ModelConfig" has no '
        'field named "path".',
        "model-load-failed",
        'models.config:4:9: Message type "tensorflow.serving.ModelConfig" has no field named "path"',
    ),
    (
        "2025-01-01 00:00:00.1: W tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc:236] "
        "Version 7 of servable m, which was requested to be served as a 'specific' version in the servable's version "
        "policy, was not found in the file system",
        "model-load-failed",
        "version 7 of model 'm'",
    ),
    (
        "Failed to start server. Error: FAILED_PRECONDITION: Request to assign label to version 1 of model m, which is "
        "not currently available for inference",
        "model-load-failed",
        "label to version 1 of model m",
    ),
    (
        "Failed to start server. Error: INVALID_ARGUMENT: Expected model m to have an absolute path or URI; got "
        "base_path()=m",
        "model-load-failed",
        "refuses models.config: Expected model m",
    ),
    (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {m}",
        "container-exited",
        "1 servable(s) did not become available",
    ),
]

TRITON: list[Sample] = [
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: Python model file "
        "not found in neither '/models/m/1/model.py' nor '/opt/backends/python/model.py'\"",
        "model-load-failed",
        "/models/m/1/model.py",
    ),
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Invalid argument: unable to "
        "find backend library for backend 'onnxruntime', try specifying runtime on the model configuration.\"",
        "model-load-failed",
        "onnxruntime",
    ),
    (
        "E1125 14:34:13.009829 7 model_repository_manager.cc:724] \"failed to load model '.ipynb_checkpoints': at "
        "least one version must be available under the version policy of model '.ipynb_checkpoints'\"",
        "model-load-failed",
        "hidden folder",
    ),
    (
        "E1122 16:00:00.000000 1 model_repository_manager.cc:1186] Invalid argument: at least one version must be "
        "available under the version policy of model 'm'",
        "model-load-failed",
        "numbered",
    ),
    (
        "E1122 16:00:00.000000 1 model_repository_manager.cc:1460] \"Poll failed for model directory 'm': failed to "
        "read text proto from /models/m/config.pbtxt: Error parsing text-format inference.ModelConfig: 3:1: Message "
        'type has no field named \\"colour\\"."',
        "model-load-failed",
        "3:1",
    ),
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] instance group m_0 of model m has kind KIND_GPU but no GPUs "
        "are available",
        "gpu-unavailable",
        "KIND_GPU",
    ),
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: Unable to "
        "initialize shared memory key 'triton_python_backend_shm_region_1' to requested size\"",
        "model-load-failed",
        "shared memory",
    ),
    (
        "E1122 16:00:00.000000 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: ValueError: the "
        'weights are rotten\\n\\nAt:\\n  /models/m/1/model.py(8): initialize\\n"',
        "model-load-failed",
        "the weights are rotten",
    ),
    (
        "E1122 16:00:00.000000 1 model_repository_manager.cc:1460] \"Poll failed for model directory 'm': unexpected "
        "platform type '' for m\"",
        "model-load-failed",
        "unexpected platform type",
    ),
    (
        "E1122 16:00:00.000000 1 main.cc:357] \"failed to start HTTP service: Unavailable - Socket '0.0.0.0:8000' "
        'already in use"',
        "not-listening",
        "Socket '0.0.0.0:8000' already in use",
    ),
    (
        "error: creating server: Internal - failed to load all models",
        "container-exited",
        "failed to load all models",
    ),
]

SAMPLES: dict[str, list[Sample]] = {
    "tensorflow-serving": TENSORFLOW_SERVING,
    "triton": TRITON,
    "mlserver": MLSERVER,
    "mlflow": MLFLOW,
    "kserve": KSERVE,
    "torchserve": TORCHSERVE,
    "bentoml": BENTOML,
    "openai": OPENAI,
    "openvino": OPENVINO,
    "sagemaker": SAGEMAKER,
}
SAMPLE_LINES = [(kind, *sample) for kind, samples in SAMPLES.items() for sample in samples]
