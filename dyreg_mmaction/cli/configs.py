"""Read config files with command-line options."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from dyreg_mmaction.compat import enable_policies
from dyreg_mmaction.compat.config_variables import set_variables

from .config_errors import named_errors
from .type_names import name_types


def read_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Read a config file and merge options into it.

    An option without a dot overrides the variable of that name in the file and its bases, so values computed from the
    variable change too. For example, ``data_root=DIR`` has an effect wherever the files use ``data_root``. Classes in
    pure Python configs are replaced by their registered names, see :func:`.name_types`. The function also enables the
    policies of :mod:`dyreg_mmaction.compat`.

    Args:
        path (str | Path): Config file, or ``package::path``.
        options (dict, optional): Values by key, as parsed from ``--cfg-options``.

    Returns:
        Config: The config.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file cannot be read. The message names file and line.
    """
    enable_policies()
    if '::' not in str(path) and not Path(path).is_file():
        raise FileNotFoundError(
            f'config {str(path)!r} does not exist; choose one from configs/ or pass the path of a file'
        )
    options = options or {}
    variables = {name: value for name, value in options.items() if '.' not in name and not isinstance(value, dict)}
    what = f'config {str(path)!r}' + (f' with --cfg-options {options}' if options else '')
    with named_errors(what):
        with set_variables(variables):
            cfg = Config.fromfile(path)
        cfg.merge_from_dict(options)
    name_types(cfg)
    return cfg
