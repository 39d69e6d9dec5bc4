#!/usr/bin/env bash
# Install this package beside other versions of what it needs, run some tests and a short training there, and print a table.
#   tools/dev/try_versions.sh [NAME...]    the environments named below; all without a NAME
# They are made in envs/ or where ENVS says. One that is there stays as it is: it may be made by hand, with a PyTorch of a
# distribution's, say.
set -uo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
ENVS=${ENVS:-$ROOT/envs}
TESTS='tests/test_models/test_dyreg_gnn.py tests/test_ops/test_kernels.py tests/test_ops/test_regions.py
    tests/test_config_text.py tests/test_malicious_checkpoints.py tests/test_packaging.py tests/test_compat.py'
# name, Python, and what somebody has there before this package comes, which must stay; "distribution" is made by hand, with
# python3 -m venv --system-site-packages, where Debian 13 has python3-torch and python3-opencv
OPENCV='opencv-python==4.8.1.78 opencv-contrib-python==4.8.1.78'
ENVIRONMENTS="
oldest       3.10 torch==2.1.2 numpy==1.26.4 scipy==1.11.4 $OPENCV
lowest       3.11 torch==2.13.0 numpy==1.26.0 scipy==1.11.4 mmengine==0.10.0 mmcv-lite==2.0.0 $OPENCV
distribution 3.13
newest       3.14 torch numpy scipy opencv-python opencv-contrib-python
"

install() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }
packages() { "$python" -m pip list --format=freeze --exclude-editable --disable-pip-version-check | sort; }

# Makes the environment, and installs as README says, without or with an OpenCV that MMAction2 does not ask for.
prepare() {
    [ -x "$python" ] || "python$1" -m venv "$ENVS/$name" || return
    shift
    [ $# -eq 0 ] || install "$@" || return
    packages >"$ENVS/$name.had"
    if "$python" -c 'import cv2' 2>/dev/null && ! "$python" -m pip show --quiet opencv-python; then
        install --no-deps mmaction2==1.2.0 mmengine==0.10.7 mmcv-lite==2.1.0 --editable . &&
            install addict av decord einops filelock matplotlib packaging pillow pyyaml rich safetensors scipy termcolor yapf
    else
        install --editable '.[av,lite]'
    fi && packages | comm -23 "$ENVS/$name.had" - >"$ENVS/$name.lost" && install pytest hypothesis
}

# An epoch on a few generated videos, a second by --resume, and a test of it.
train() {
    local config=$ROOT/configs/tsm_r18_dyreg_mini.py epochs='--cfg-options train_cfg.val_interval=1 train_cfg.max_epochs'
    rm -rf "$ENVS/$name.run" && mkdir "$ENVS/$name.run" && cd "$ENVS/$name.run" &&
        "$python" "$ROOT/tools/data/make_mini_something.py" data/mini_something --train 16 --val 4 &&
        "$python" "$ROOT/tools/train.py" "$config" --work-dir out $epochs=1 &&
        "$python" "$ROOT/tools/train.py" "$config" --work-dir out --resume $epochs=2 &&
        "$python" "$ROOT/tools/test.py" "$config" out/epoch_2.pth --work-dir out/test &&
        grep -q 'resumed epoch: 1' out/*/*.log
}

row() {
    "$python" -W ignore -c "
import platform, torch, numpy, scipy, cv2, mmengine, mmcv
libraries = [torch, numpy, scipy, cv2, mmengine, mmcv]
print('| ' + ' | '.join([platform.python_version(), *(library.__version__ for library in libraries)]), end=' | ')"
}

try() {
    name=$1 python=$ENVS/$1/bin/python
    shift
    echo "== $name" >&2
    local tests='not run' training='not run' kept=no
    if prepare "$@" >"$ENVS/$name.log" 2>&1; then
        [ -s "$ENVS/$name.lost" ] || kept=yes
        tests=$("$python" -m pytest -q -m 'not slow' -k 'not fault_is_there' $TESTS 2>&1 | tee -a "$ENVS/$name.log" | tail -n 1)
        (train) >>"$ENVS/$name.log" 2>&1 && training=passed || training=failed
        table+="$(row)$tests | $training | $kept |"$'\n'
    else
        table+="| $name: cannot be made, see $ENVS/$name.log |"$'\n'
    fi
}

for wanted in "$@"; do
    if ! grep -q "^$wanted " <<<"$ENVIRONMENTS"; then
        echo "try_versions.sh: no environment $wanted; there are: $(cut -d' ' -f1 <<<"$ENVIRONMENTS" | xargs)" >&2
        exit 2
    fi
done
mkdir -p "$ENVS"
export CUDA_VISIBLE_DEVICES= PYTHONPATH=
table='| Python | torch | numpy | scipy | OpenCV | mmengine | mmcv | tests | training, resume, test | all that was there kept |'$'\n'
while read -r name version packages; do
    [ -z "$name" ] || { [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; } || try "$name" "$version" $packages </dev/null
done <<<"$ENVIRONMENTS"
printf '%s' "$table"
