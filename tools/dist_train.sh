#!/usr/bin/env bash
# Train on several GPUs of this machine, or in several CPU processes where there is none:
#   tools/dist_train.sh CONFIG NUM_PROCESSES [arguments of train.py]
# On several machines: the same on each, with NNODES, NODE_RANK (0..NNODES-1) and MASTER_ADDR (that of rank 0) set.
set -euo pipefail

CONFIG=$1
PROCESSES=$2

if [ -z "${NNODES:-}${PORT:-}" ]; then
    rendezvous=(--standalone) # on this machine alone, on any free port
else
    rendezvous=(--nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}"
        --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}")
fi

PYTHONPATH="$(dirname "$0")/..:${PYTHONPATH:-}" ${PYTHON:-python} -m torch.distributed.run \
    "${rendezvous[@]}" --nproc-per-node="$PROCESSES" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
