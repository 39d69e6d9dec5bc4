"""Variables of config files, set before the files are executed.

MMEngine merges ``--cfg-options`` into the finished config: a variable such as ``data_root`` has then been copied into
the data sets and pipelines that were written with it, and changing it changes nothing.
"""

import ast
import tempfile
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.utils import get_installed_path

BASE = '_base_'
PACKAGES = ('mmaction', 'dyreg_mmaction')  # whose ``package::`` bases may lose their scope: it is the default one


def read_config(path: str, options: dict[str, Any] | None = None) -> Config:
    """Read a config file and merge options into it, as ``--cfg-options`` has them.

    An option without a dot that a file of the config, or of its bases, assigns is set there, so that all that is made
    of it follows: ``data_root=DIR`` or ``flip_ratio=0.5`` have an effect wherever the files use these names.
    """
    options = options or {}
    variables = {name: value for name, value in options.items() if '.' not in name and name != BASE}
    with tempfile.TemporaryDirectory() as folder:
        files = _Files(variables, Path(folder))
        source = files.rewrite(Path(path)) if variables and Path(path).suffix == '.py' else Path(path)
        read = Config.fromfile(source)
    cfg = Config(dict(read.items()), cfg_text=read.text, filename=path, env_variables=read.env_variables)
    cfg.merge_from_dict(options)
    return cfg


class _Files:
    """Copies of config files in which variables have other values."""

    def __init__(self, variables: dict[str, Any], folder: Path) -> None:
        self.variables = variables
        self.folder = folder
        self.count = 0

    def rewrite(self, path: Path) -> Path:
        """The copy of a file, whose bases may be copies; the file itself where nothing changes."""
        text = path.read_text(encoding='utf-8')
        if path.suffix != '.py' or 'read_base()' in text:  # a config of imports
            return path
        text = text.replace('{{ fileDirname }}', str(path.resolve().parent))
        lines, changed = text.splitlines(), False
        for node in reversed(ast.parse(text).body):
            name = node.targets[0].id if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else ''
            if name != BASE and name not in self.variables:
                continue
            if name == BASE:
                bases = ast.literal_eval(node.value)  # type: ignore[attr-defined]
                count, value = (
                    self.count,
                    [self._rewrite_base(base, path) for base in ([bases] if isinstance(bases, str) else bases)],
                )
                changed |= self.count > count
            else:
                value, changed = self.variables[name], True
            lines[node.lineno - 1 : node.end_lineno] = [f'{name} = {value!r}']
        if not changed:
            return path
        self.count += 1
        copy = self.folder / str(self.count) / path.name
        copy.parent.mkdir()
        copy.write_text('\n'.join(lines) + '\n', encoding='utf-8')
        return copy

    def _rewrite_base(self, base: str, path: Path) -> str:
        """A base of the file ``path``, given by its place and not relative to the file."""
        package, _, name = base.rpartition('::')
        if package and package not in PACKAGES:
            return base
        root = (
            Path(get_installed_path(MODULE2PACKAGE.get(package, package))) / '.mim/configs' if package else path.parent
        )
        old = (root / name).resolve()
        new = self.rewrite(old)
        return base if package and new == old else str(new)
