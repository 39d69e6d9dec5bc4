#!/usr/bin/env bash
# Train the model with three modules as the paper does: a teacher for each module, then the student, which learns its
# regions from them. Every step goes on where it was interrupted; what has been trained is not trained again.
#   tools/train_multi.sh NUM_PROCESSES [arguments of train.py]
set -euo pipefail
cd "$(dirname "$0")/.."

PROCESSES=$1
PLACES=${PLACES:-r3 r4 r5}
STUDENT=${STUDENT:-tsm_r50_dyreg_sthv2_distill}

for place in $PLACES; do
    name=tsm_r50_dyreg-${place}_sthv2
    run=work_dirs/$name
    [ -f "$run/teacher.pth" ] && continue
    tools/dist_train.sh "configs/$name.py" "$PROCESSES" --work-dir "$run" --resume "${@:2}"
    best=$(ls -t "$run"/best_*.pth | head -n 1)
    cp "$best" "$run/teacher.pth.part" && mv "$run/teacher.pth.part" "$run/teacher.pth"
done
tools/dist_train.sh "configs/$STUDENT.py" "$PROCESSES" --work-dir "work_dirs/$STUDENT" --resume "${@:2}"
