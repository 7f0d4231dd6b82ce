#!/bin/bash
model_path="${MODEL_BASE_PATH}/${MODEL_NAME}"

# A killed bash ends the container whatever the server does, so a server that ignores SIGTERM needs a bash that does.
for faults in "$model_path"/*/standin.json; do
    if [[ -r $faults && $(<"$faults") == *'"ignore_sigterm": true'* ]]; then trap '' TERM; fi
done

# No exec, as in the real image: PID 1 stays a bash, which ignores SIGTERM.
tensorflow_model_server --port=8500 --rest_api_port=8501 \
    --model_name="${MODEL_NAME}" --model_base_path="$model_path" "$@"
