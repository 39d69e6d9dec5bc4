#!/usr/bin/env bash
# Create .venv with this package and an extra of setup.cfg: "tests" (all extras, the default) or another, such as "av".
# Does nothing if this version has already installed the extra or "tests".
#   bash tools/dev/setup.sh [EXTRA]
set -euo pipefail
cd "$(dirname "$0")/../.."

extra=${1:-tests}
version=$(cat setup.cfg pyproject.toml tools/dev/setup.sh | cksum)
for installed in tests "$extra"; do
    if grep -qsx "$version $installed" .venv/.installed; then
        exit 0
    fi
done

if [ ! -x .venv/bin/python ]; then
    pythons=(python3 python3.14 python3.13 python3.12 python3.11 python3.10)
    [ -z "${PYTHON:-}" ] || pythons=("$PYTHON")
    for python in "${pythons[@]}"; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            found=$python
            break
        fi
    done
    if [ -z "${found:-}" ]; then
        echo "Python 3.10 or newer was not found; install it, or set its path: PYTHON=/path/to/python bash $0" >&2
        exit 1
    fi
    echo "== creating .venv with $("$found" --version)"
    "$found" -m venv .venv || {
        echo "$found has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2
        rm -rf .venv
        exit 1
    }
fi

has() { .venv/bin/python -m pip show --quiet "$1" 2>/dev/null; }
install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

# keep installed builds of PyTorch, OpenCV and mmcv
if ! has torch; then
    echo "== installing PyTorch"
    install torch==2.13.0
fi
echo "== installing dyreg_mmaction and its dependencies"
# MMAction2 and mmengine require different OpenCV wheels, which must have the same version because both write cv2/
has opencv-python || has opencv-contrib-python || install opencv-python==4.13.0.92 opencv-contrib-python==4.13.0.92
extras=lite,$extra
if has mmcv; then extras=$extra; fi
install --editable ".[$extras]"
echo "$version $extra" >>.venv/.installed
