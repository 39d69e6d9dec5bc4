# shellcheck shell=bash
# Functions of dist_*.sh, slurm_*.sh and train_multi.sh.

# PYTHON is a path, which may contain spaces, or a command of several words
python=("${PYTHON:-python}")
command -v "${python[0]}" >/dev/null || read -r -a python <<<"${PYTHON:-python}"
# The current folder must not shadow the standard library. Python reads an empty entry of PYTHONPATH as the current
# folder, and -m adds it unless PYTHONSAFEPATH is set (Python 3.11 or newer).
path=$(dirname "$0")/..:${PYTHONPATH:-}
while [[ $path == *::* ]]; do path=${path/::/:}; done # empty entries, as from PYTHONPATH=/mine:$PYTHONPATH with PYTHONPATH unset
export PYTHONPATH=${path%:} PYTHONSAFEPATH=1

fail() {
    echo "$(basename "$0"): $1" >&2
    exit 2
}

# need N "$@": print the comment at the top of the script and exit if there are fewer than N arguments or --help
need() {
    local wanted=$1 argument status=0
    shift
    for argument in "$@"; do
        case $argument in -h | --help) wanted=0 && set -- ;; esac
    done
    if [ $# -lt "$wanted" ] || [ "$wanted" = 0 ]; then
        [ "$wanted" = 0 ] || status=2
        sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0" >&2
        exit $status
    fi
}

need_config() {
    case $1 in *::*) return ;; esac
    [ -f "$1" ] || fail "config $1 does not exist; choose one from configs/ or pass the path of a file"
}

# launch NUM_PROCESSES SCRIPT [arguments]: run torchrun, which replaces this shell so that it receives signals
launch() {
    local processes=$1 rendezvous gpus=0
    [[ $processes =~ ^[1-9][0-9]*$ ]] || fail "NUM_PROCESSES=$processes must be an integer, at least 1"
    [[ ${MAX_RESTARTS:-0} =~ ^[0-9]+$ ]] || fail "MAX_RESTARTS=$MAX_RESTARTS must be an integer"
    if command -v nvidia-smi >/dev/null; then
        gpus=$("${python[@]}" -c 'import torch; print(torch.cuda.device_count())')
    fi
    if [ "$gpus" -gt 0 ] && [ "$processes" -gt "$gpus" ]; then
        fail "NUM_PROCESSES=$processes, but there are $gpus GPUs and each process needs one; use at most $gpus"
    fi
    if [ -z "${NNODES:-}${PORT:-}" ]; then
        rendezvous=(--standalone) # one node, any free port
    else
        rendezvous=(--nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}"
            --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}")
    fi
    if [ -n "$(trap -p HUP)" ]; then # nohup ignores it, but torchrun would handle it
        export PET_SIGNALS_TO_HANDLE="${PET_SIGNALS_TO_HANDLE:-SIGTERM,SIGINT,SIGQUIT}"
    fi
    exec "${python[@]}" -m torch.distributed.run "${rendezvous[@]}" --nproc-per-node="$processes" \
        --max-restarts="${MAX_RESTARTS:-0}" "${@:2}"
}
