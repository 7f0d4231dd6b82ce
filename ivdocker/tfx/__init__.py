"""Makes TFX's InfraValidator use ivdocker: :func:`use_ivdocker`.

Importing this package imports neither TFX nor gRPC; :func:`use_ivdocker` does.
"""

from ivdocker.serving_spec import LocalDockerConfig, ServingSpec, TensorFlowServingSpec
from ivdocker.tfx.swap import Swap, use_ivdocker

__all__ = ["LocalDockerConfig", "ServingSpec", "Swap", "TensorFlowServingSpec", "use_ivdocker"]
