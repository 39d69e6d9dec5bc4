"""Train and test a model on your own videos, and write a report.

The videos are given by a folder with one sub-folder per class, or by a file that lists them. They are checked and
split. Lists and config are written next to their folder (to my_videos_dyreg/ for my_videos/). The same command
continues an interrupted run, and starts a new one if videos or options have changed.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

from dyreg_mmaction.datasets.folder import (
    Prepared,
    are_large,
    imbalance,
    overview,
    prepare_videos,
    read_source,
    sided_classes,
    similar_classes,
    write_small_copies,
)
from dyreg_mmaction.datasets.folder.split import SPLIT_BY

from .folder_steps.config import SHORT_SIDES, Data, config_text, find_copies
from .folder_steps.plan import derive_frames, derive_plan, this_machine
from .folder_steps.results import summarize
from .folder_steps.runs import digest, file_digest, keep_config, open_run
from .folder_steps.weights import choose_start
from .launch import exit_with_message

WRITTEN = ('videos.csv', 'classes.txt', 'train.txt', 'val.txt', 'test.txt', 'config.py')  # to the output folder
MARKS = ('checked.tsv', '.config.json')  # one of them shows that this command has written the others
UNBALANCED = 3  # ratio of the largest to the smallest class above which it is reported


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n\n')[0],
        epilog=__doc__.partition('\n\n')[2],  # type: ignore[union-attr]
    )
    parser.add_argument(
        'data',
        nargs='+',
        type=Path,
        help='folder with one sub-folder per class, CSV file (path, class[, split]), or lists of MMAction2 (several '
        'lists are train, val and test by name)',
    )
    parser.add_argument('--videos', type=Path, help='root folder of the paths in a file (default: its folder)')
    parser.add_argument('--out', type=Path, help='output folder (default: next to the data, with _dyreg appended)')
    parser.add_argument(
        '--split-by',
        choices=SPLIT_BY,
        default='video',
        help='unit of the split: videos, folders below the classes, or groups of videos with the same name up to the '
        'last _, -, . or space (default: %(default)s)',
    )
    parser.add_argument(
        '--val-fraction', type=float, default=0.2, help='fraction of each class to hold out (default: %(default)s)'
    )
    parser.add_argument(
        '--model',
        choices=['auto', 'r50', 'r18'],
        default='auto',
        help='TSM-R50 at 224 pixels, TSM-R18 at 112 pixels, or by available weights (default: %(default)s)',
    )
    parser.add_argument('--checkpoint', help='file or URL of a TSM checkpoint to start from')
    parser.add_argument('--frames', type=int, help='clip length (default: derived, like the next four options)')
    parser.add_argument('--epochs', type=int, help='number of epochs')
    parser.add_argument('--batch-size', type=int, help='clips per batch and process')
    parser.add_argument('--lr', type=float, help='learning rate')
    parser.add_argument('--workers', type=int, help='data loading processes')
    parser.add_argument('--balance', action='store_true', help='weight classes by their inverse number of videos')
    parser.add_argument(
        '--report-clips', type=int, default=60, help='maximum number of clips in the report (default: %(default)s)'
    )
    parser.add_argument(
        '--no-copies',
        action='store_true',
        help='train on the videos themselves, even if they are large (default: on small copies of large videos)',
    )
    parser.add_argument('--only-prepare', action='store_true', help='stop after writing lists and config')
    args = parser.parse_args()
    if args.report_clips < 1:
        parser.error(f'--report-clips {args.report_clips} must be positive')
    return args


def output_folder(args: argparse.Namespace) -> Path:
    """Create and return the output folder, which must not be in the folder of videos.

    Raises:
        ValueError: If it is, cannot be created, or has files of the user that would be overwritten.
    """
    source = Path(os.path.abspath(args.data[0]))
    out = (
        Path(os.path.abspath(args.out))
        if args.out
        else source.with_name(f'{source.name if source.is_dir() else source.stem}_dyreg')
    )
    if source.is_dir() and out.is_relative_to(source):
        raise ValueError(f'--out {args.out} is in {args.data[0]}, which is never changed; choose another folder')
    foreign = [] if any((out / name).is_file() for name in MARKS) else [n for n in WRITTEN if (out / n).exists()]
    foreign += [name for name in WRITTEN for path in args.data if path.exists() and _same(path, out / name)]
    if foreign:
        raise ValueError(f'{out} has a file {foreign[0]} that would be overwritten; choose another folder with --out')
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f'{out} cannot be created ({error.strerror}); choose another folder with --out') from error
    return out


def _same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


def derive(args: argparse.Namespace, prepared: Prepared, out: Path) -> str:
    """Derive the config and print its settings."""
    machine, facts = this_machine(), prepared.facts
    training = [name for name, split in prepared.splits.items() if split == 'train']
    frames = args.frames or derive_frames(machine, statistics.median(facts[name].num_frames for name in training))
    start = choose_start(args.model, args.checkpoint, frames)
    given = {name: getattr(args, name) for name in ('frames', 'epochs', 'batch_size', 'lr', 'workers')}
    plan = derive_plan(machine, len(training), start.model, start.from_scratch, frames, given)
    _, counts = imbalance(prepared.entries, prepared.splits, prepared.classes)
    sided = sided_classes(prepared.classes)
    large = not args.no_copies and are_large([facts[name] for name in training], SHORT_SIDES[start.model])
    data = Data(
        videos='' if prepared.listing.folder is None else str(prepared.listing.folder),
        out=out,
        classes=prepared.classes,
        test_list='test.txt' if 'test' in prepared.splits.values() else 'val.txt',
        decoder='pyav' if any(facts[name].decoder == 'pyav' for name in prepared.splits) else 'decord',
        flip=not sided,
        weights=[sum(counts) / (len(counts) * max(count, 1)) for count in counts] if args.balance else None,
        copies=f'small_{SHORT_SIDES[start.model]}' if large else '',
    )
    print(f'model: {start.message}; one module, motion warm start')
    print(f'{machine.gpus} GPUs, {machine.memory:.0f} GB of memory, {machine.cores} CPU cores: ', end='')
    print(f'{machine.processes} processes, ', end='')
    print(', '.join(f'{name.replace("_", " ")} {value}' for name, value in plan._asdict().items()))
    if sided:
        print(f'no horizontal flips: class names have sides, such as {sided[0]!r}')
    if large:
        print(f'large videos: training reads copies with a short side of {SHORT_SIDES[start.model]} pixels')
    if data.decoder == 'pyav':
        print('decoder: PyAV, because decord does not support the codec of some videos')
    return config_text(data, start, plan)


def prepare(args: argparse.Namespace, out: Path) -> Prepared:
    """Check, split and list the videos, and print an overview."""
    listing = read_source(args.data, args.videos)
    for remark in listing.remarks:
        print(remark)
    workers = this_machine().cores
    prepared = prepare_videos(listing, out, fraction=args.val_fraction, split_by=args.split_by, workers=workers)
    print(overview(listing.entries, prepared.facts, prepared.splits, prepared.classes))
    if similar := similar_classes(prepared.classes):
        print(f'classes with almost the same name: {", ".join(map(repr, similar))}; make sure that they differ')
    ratio, _ = imbalance(prepared.entries, prepared.splits, prepared.classes)
    if ratio >= UNBALANCED:
        what = 'they are weighted' if args.balance else '--balance weights them'
        print(f'unbalanced: the largest class has {ratio:.1f} times as many training videos as the smallest; {what}')
    if 0 < prepared.num_new < len(prepared.splits):
        print(f'{prepared.num_new} videos are new; the others keep their splits')
    return prepared


def run(command: str, *arguments: str, processes: int = 1) -> None:
    """Run a command of ``dyreg`` in new processes.

    Raises:
        SystemExit: If the command fails. It has printed the reason.
    """
    start = [
        sys.executable,
        '-m',
        *(['torch.distributed.run', '--standalone', f'--nproc-per-node={processes}', '-m'] if processes > 1 else []),
    ]
    launcher = ['--launcher', 'pytorch'] if processes > 1 else []
    threads = max(1, this_machine().cores // processes)
    environment = {
        'OMP_NUM_THREADS': str(threads),
        **os.environ,
        'PYTHONSAFEPATH': '1',
    }  # do not import modules from the current folder
    command_line = [*start, 'dyreg_mmaction.cli.main', command, *arguments, *launcher]
    # in a new session: Ctrl-C only reaches this process, which then stops the command
    process = subprocess.Popen(command_line, env=environment, start_new_session=True)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()  # on SIGTERM training saves its state
        process.wait()
        raise
    if code:
        raise SystemExit(code if code > 0 else 128 - code)


def train(out: Path) -> Path:
    """Train and test with the current config and lists, unless done before. Return the work dir."""
    work_dir, is_new = open_run(out)
    config, trained, tested = str(out / 'config.py'), work_dir / 'trained', work_dir / 'predictions.csv'
    print(f'\n== training in {work_dir}' + ('' if is_new else ', continued'), flush=True)
    if not trained.exists():
        run('train', config, '--work-dir', str(work_dir), '--resume', processes=this_machine().processes)
        trained.touch()
    checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
    print('\n== test: 3 crops x 2 samplings of every held-out video', flush=True)
    if not tested.exists():
        run('test', config, checkpoint, '--work-dir', str(work_dir / 'test'), processes=this_machine().processes)
        (out / 'predictions.csv').replace(tested)
    return work_dir


def report(args: argparse.Namespace, out: Path, work_dir: Path) -> Path:
    """Write the report of the test videos, unless done before. Return its path."""
    page = work_dir / 'report' / 'report.html'
    print('\n== report', flush=True)
    if not page.exists():
        checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
        options = ['--dataset', 'test' if (out / 'test.txt').exists() else 'val', '--num', str(args.report_clips)]
        run('regions', str(out / 'config.py'), checkpoint, *options, '--html', '--out', str(page.parent))
    return page


def train_folder(args: argparse.Namespace) -> None:
    """Run all steps."""
    out = output_folder(args)
    prepared = prepare(args, out)
    options = {
        name: value for name, value in vars(args).items() if name not in ('data', 'out', 'report_clips', 'only_prepare')
    }
    lists = file_digest(out, ('classes.txt', 'train.txt', 'val.txt', 'test.txt'))
    cause = digest(json.dumps(options, default=str), str(prepared.listing.folder), lists)
    print(keep_config(out, cause, lambda: derive(args, prepared, out)))
    if short_side := find_copies((out / 'config.py').read_text(encoding='utf-8')):
        write_small_copies(prepared, out / f'small_{short_side}', short_side, this_machine().cores)
    if args.only_prepare:
        return
    work_dir = train(out)
    page = report(args, out, work_dir)
    print()
    print(summarize(work_dir / 'predictions.csv'))
    print(f'report: {page}\nrun: {work_dir}')


def main() -> None:
    """Run the command line."""
    args = parse_args()
    for stop in (signal.SIGTERM, signal.SIGHUP):  # of job schedulers and closed terminals; nohup ignores the latter
        if signal.getsignal(stop) != signal.SIG_IGN:
            signal.signal(stop, signal.default_int_handler)
    try:
        with exit_with_message():
            train_folder(args)
    except KeyboardInterrupt:
        sys.exit('\ninterrupted: the same command continues from here')


if __name__ == '__main__':
    main()
