#!/usr/bin/env bash
# Run all tests in .venv, which is made first where it is missing, in as many processes as there are cores, four at most.
# Arguments go to pytest. Tests of the report's page need Chromium: it is installed where the system's package manager may do so.
set -euo pipefail
cd "$(dirname "$0")/.."

bash tools/dev/setup.sh tests
if ! command -v chromedriver >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo '== installing Chromium'
    { timeout 120 apt-get -qq update && DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -qq -y install chromium chromium-driver; } \
        >/dev/null 2>&1 || echo 'Chromium cannot be installed: tests of the report in a browser are skipped' >&2
fi
exec .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"
