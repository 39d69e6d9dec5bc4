#!/usr/bin/env bash
# Train on several GPUs of this machine, or in several CPU processes where there is none:
#   tools/dist_train.sh CONFIG NUM_PROCESSES [arguments of train.py]
# On several machines: the same on each, with NNODES, NODE_RANK (0..NNODES-1) and MASTER_ADDR (that of rank 0) set.
# With MAX_RESTARTS set, processes that fail are started so many times again and resume from the last checkpoint.
set -euo pipefail
source "$(dirname "$0")/_launch.sh"

need 2 "$@"
need_config "$1"
launch "$2" "$(dirname "$0")/train.py" "$1" --launcher pytorch "${@:3}"
