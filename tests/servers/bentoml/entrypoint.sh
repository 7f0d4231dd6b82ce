#!/bin/sh
set -eu
if [ "$#" -eq 0 ]; then set -- bentoml serve "$BENTO_PATH"; fi
exec "$@"
