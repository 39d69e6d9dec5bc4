"""Config files, read with the options of a command line."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from dyreg_mmaction.compat import enable_policies
from dyreg_mmaction.compat.config_variables import set_variables

from .config_errors import named_errors
from .type_names import name_types


def read_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Read a config file and merge options into it, as ``--cfg-options`` has them.

    An option without a dot that a file of the config, or of its bases, assigns is set there, so that all that is made
    of it follows: ``data_root=DIR`` or ``flip_ratio=0.5`` have an effect wherever the files use these names. Classes
    that a pure Python config imports are replaced by their registered names, see :func:`.name_types`. Enables the
    policies of compat/.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it cannot be read, with file and line.
    """
    enable_policies()
    if '::' not in str(path) and not Path(path).is_file():
        raise FileNotFoundError(f'config {str(path)!r} does not exist; configs/ has those of this package')
    options = options or {}
    variables = {name: value for name, value in options.items() if '.' not in name and not isinstance(value, dict)}
    what = f'config {str(path)!r}' + (f' with --cfg-options {options}' if options else '')
    with named_errors(what):
        with set_variables(variables):
            cfg = Config.fromfile(path)
        cfg.merge_from_dict(options)
    name_types(cfg)
    return cfg
