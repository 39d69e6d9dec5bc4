#!/usr/bin/env bash
# Train the teachers of a config with RegionDistillation, then the model. Interrupted trainings resume, and finished
# ones are not repeated.
#   tools/train_multi.sh configs/tsm_r50_dyreg_sthv2_distill.py NUM_PROCESSES [arguments of train.py]
set -euo pipefail
source "$(dirname "$0")/_launch.sh"

need 2 "$@"
need_config "$1"

CONFIG=$1
PROCESSES=$2
TOOLS=$(dirname "$0")

list_teachers() { # one line per teacher: its config, and the checkpoint that the student loads
    "${python[@]}" - "$CONFIG" <<'PYTHON'
import sys
from dyreg_mmaction.cli.configs import read_config

losses = read_config(sys.argv[1]).model.get('region_losses') or []
teachers = [teacher for loss in losses for teacher in loss.get('teachers', {}).values()]
if not teachers:
    sys.exit(f'train_multi.sh: {sys.argv[1]} has no teachers; train it with dist_train.sh, or add RegionDistillation')
for teacher in teachers:
    print(teacher['config'], teacher['checkpoint'], sep='\t')
PYTHON
}

teachers=$(list_teachers)
while IFS=$'\t' read -r -u 3 config checkpoint; do
    run=$(dirname "$checkpoint")
    [ -f "$checkpoint" ] && continue
    "$TOOLS/dist_train.sh" "$config" "$PROCESSES" --work-dir "$run" --resume "${@:3}"
    trained=$(ls -t "$run"/best_*.pth 2>/dev/null | head -n 1 || true) # none without save_best or validation
    cp "${trained:-$(cat "$run/last_checkpoint")}" "$checkpoint.part"
    mv "$checkpoint.part" "$checkpoint"
done 3<<<"$teachers"
"$TOOLS/dist_train.sh" "$CONFIG" "$PROCESSES" --resume "${@:3}"
