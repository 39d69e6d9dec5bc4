#!/usr/bin/env bash
# Test on several GPUs of this machine, or in several CPU processes where there is none:
#   tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [arguments of test.py]
# On several machines: the same on each, with NNODES, NODE_RANK (0..NNODES-1) and MASTER_ADDR (that of rank 0) set.
set -euo pipefail
source "$(dirname "$0")/_launch.sh"

need 3 "$@"
need_config "$1"
launch "$3" "$(dirname "$0")/test.py" "$1" "$2" --launcher pytorch "${@:4}"
