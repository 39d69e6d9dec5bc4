#!/usr/bin/env bash
# Run all tests in .venv, in one process per core, at most four. Arguments are passed to pytest. If necessary, .venv is
# created, and Chromium is installed with apt-get for the tests of the report page.
set -euo pipefail
cd "$(dirname "$0")/.."

bash tools/dev/setup.sh tests
if ! command -v chromedriver >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo '== installing Chromium'
    { timeout 120 apt-get -qq update && DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -qq -y install chromium chromium-driver; } \
        >/dev/null 2>&1 || echo 'Chromium cannot be installed: browser tests of the report are skipped' >&2
fi
exec .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 "$@"
