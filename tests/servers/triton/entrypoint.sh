#!/bin/bash
set -eu
echo "Triton Inference Server 2.51.0 (24.10) from the nvidia-pytriton wheel, CPU only, Python backend only"
if [[ $# -eq 0 ]]; then set -- /bin/bash; fi
exec "$@"
