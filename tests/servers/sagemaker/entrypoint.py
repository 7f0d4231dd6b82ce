"""``serve``, as SageMaker says it, starts the server; any other command is run as it is."""

import os
import sys

if sys.argv[1:] == ["serve"]:
    from sagemaker_inference import model_server

    model_server.start_model_server()
else:
    os.execvp(sys.argv[1], sys.argv[1:])
