#!/usr/bin/env bash
# From a clone to a trained model: create .venv, generate MiniSomething, train TSM-R18 + DyReg-GNN, test it on held-out
# clips, and draw the learned regions. Steps that an earlier run finished are skipped.
#   bash tools/quickstart.sh my_videos/ [arguments of train_folder.py]
# does the same with your own videos, see docs/guides/own_videos.md.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if [ $# -gt 0 ]; then
    bash "$root/tools/dev/setup.sh" av
    exec "$root/.venv/bin/python" "$root/tools/train_folder.py" "$@"
fi
cd "$root"

CONFIG=configs/tsm_r18_dyreg-motion_mini.py
DATA=data/mini_something
RUN=work_dirs/tsm_r18_dyreg-motion_mini
began=$SECONDS

step() { printf '\n== %s (%d s)\n' "$1" "$((SECONDS - began))"; }

step '1/5 environment'
bash tools/dev/setup.sh av
export PYTHON=$PWD/.venv/bin/python # setup.sh uses the PYTHON of the user

# one process per GPU or CPU core, at most two; the total batch size is always 16
PROCESSES=$("$PYTHON" -c 'import os, torch; print(min(2, torch.cuda.device_count() or os.cpu_count() or 1))')

step "2/5 data: $DATA"
[ -f $DATA/sthv2_val_list_videos.txt ] || "$PYTHON" tools/data/make_mini_something.py $DATA

step "3/5 training: $RUN"
if ! [ -f $RUN/trained ]; then
    tools/dist_train.sh $CONFIG "$PROCESSES" --resume --cfg-options train_dataloader.batch_size=$((16 / PROCESSES))
    touch $RUN/trained
fi
checkpoint=$(cat $RUN/last_checkpoint)

step '4/5 test: 3 crops x 2 samplings of every held-out clip'
if ! [ $RUN/test.txt -nt "$checkpoint" ]; then
    tools/dist_test.sh $CONFIG "$checkpoint" "$PROCESSES" 2>&1 | tee $RUN/test.log
    grep -o 'acc/top1: [0-9.]*' $RUN/test.log | tail -n 1 >$RUN/test.txt
fi

step '5/5 regions'
[ $RUN/regions/report.html -nt "$checkpoint" ] ||
    "$PYTHON" tools/visualize_regions.py $CONFIG "$checkpoint" --dataset val --num 24 --html --out $RUN/regions

step 'done'
echo "held-out top-1:  $(cut -d' ' -f2 $RUN/test.txt) (chance 0.125)"
# values of the first and last validation; log names sort by time
grep -h -o 'object/dist_acting: [0-9.]*' $RUN/*/*.log | sed -n '1s/.*: /region to acting object:  /p; $s/.*: /  after training: /p'
echo "run:             $RUN"
echo "learned regions: $RUN/regions/report.html, $RUN/regions/regions.png"
