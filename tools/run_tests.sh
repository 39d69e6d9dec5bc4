#!/usr/bin/env bash
# Run all tests in .venv, which is made first where it is missing, in as many processes as there are cores, four at most.
# Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

bash tools/setup.sh tests
exec .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"
