#!/usr/bin/env bash
# Train in several processes, one per GPU, or on the CPU if there is no GPU:
#   tools/dist_train.sh CONFIG NUM_PROCESSES [arguments of train.py]
# On several nodes: run it on each node with NNODES, NODE_RANK (0..NNODES-1) and MASTER_ADDR (address of rank 0) set.
# With MAX_RESTARTS=N, failed processes are restarted up to N times and resume from the last checkpoint.
set -euo pipefail
source "$(dirname "$0")/_launch.sh"

need 2 "$@"
need_config "$1"
launch "$2" "$(dirname "$0")/train.py" "$1" --launcher pytorch "${@:3}"
