#!/usr/bin/env bash
# Make .venv with this package and all that its README needs. Takes no time where that has been done.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=$(cat setup.cfg pyproject.toml tools/setup.sh | cksum)
if [ "$(cat .venv/.wanted 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi

if [ ! -x .venv/bin/python ]; then
    for python in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
        if "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null; then
            found=$python
            break
        fi
    done
    if [ -z "${found:-}" ]; then
        echo "Python 3.10, 3.11 or 3.12 is needed; install one, or name it: PYTHON=/path/to/python bash $0" >&2
        exit 1
    fi
    echo "== making .venv with $("$found" --version)"
    "$found" -m venv .venv || {
        echo "$found has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2
        rm -rf .venv
        exit 1
    }
fi

echo "== installing PyTorch"
.venv/bin/python -m pip install --quiet --disable-pip-version-check 'torch==2.13.0'
echo "== installing dyreg_mmaction and what it needs"
extras=tests
.venv/bin/python -m pip show --quiet mmcv 2>/dev/null || extras=lite,tests # a full mmcv is never overwritten
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
echo "$wanted" >.venv/.wanted
