#!/usr/bin/env bash
# Train a model whose regions learn from teachers (RegionDistillation): first the teachers that its config names, then
# the model. Each goes on where it was interrupted, and what has been trained is not trained again.
#   tools/train_multi.sh configs/tsm_r50_dyreg_sthv2_distill.py NUM_PROCESSES [arguments of train.py]
set -euo pipefail

CONFIG=$1
PROCESSES=$2
TOOLS=$(dirname "$0")

list_teachers() { # a line for each: its config, and the checkpoint that the student reads
    ${PYTHON:-python} - "$CONFIG" <<'PYTHON'
import sys
from mmengine.config import Config
import dyreg_mmaction

for loss in Config.fromfile(sys.argv[1]).model.region_losses:
    for teacher in loss.get('teachers', {}).values():
        print(teacher['config'], teacher['checkpoint'], sep='\t')
PYTHON
}

export PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}"
teachers=$(list_teachers)
while IFS=$'\t' read -r -u 3 config checkpoint; do
    run=$(dirname "$checkpoint")
    [ -f "$checkpoint" ] && continue
    "$TOOLS/dist_train.sh" "$config" "$PROCESSES" --work-dir "$run" --resume "${@:3}"
    trained=$(ls -t "$run"/best_*.pth 2>/dev/null | head -n 1)
    cp "${trained:-$(cat "$run/last_checkpoint")}" "$checkpoint.part"
    mv "$checkpoint.part" "$checkpoint"
done 3<<<"$teachers"
"$TOOLS/dist_train.sh" "$CONFIG" "$PROCESSES" --resume "${@:3}"
