#!/usr/bin/env bash
# Test in several processes, one per GPU, or on the CPU if there is no GPU:
#   tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [arguments of test.py]
# On several nodes: run it on each node with NNODES, NODE_RANK (0..NNODES-1) and MASTER_ADDR (address of rank 0) set.
set -euo pipefail
source "$(dirname "$0")/_launch.sh"

need 3 "$@"
need_config "$1"
launch "$3" "$(dirname "$0")/test.py" "$1" "$2" --launcher pytorch "${@:4}"
