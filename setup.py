"""All settings are in setup.cfg. This refuses to build where symbolic links were checked out as text files."""

from pathlib import Path

from setuptools import setup

MIM = Path(__file__).parent / 'dyreg_mmaction' / '.mim'

for name in ('configs', 'tools', 'model-index.yml'):
    link, target = MIM / name, f'../../{name}'
    if not link.exists() or link.is_file() and link.read_text().strip() == target:
        raise SystemExit(
            f'{link} is no symbolic link to {target}, so that {name} would be missing from the package. Check the '
            'repository out with symbolic links: git config core.symlinks true; git checkout -- dyreg_mmaction/.mim. '
            f'On a file system without them, copy {name} there.'
        )

setup()
