"""Functions that MMEngine's hub needs: ``get_model('dyreg_mmaction::...')``."""


def register_all_modules(init_default_scope: bool = True) -> None:
    """Do nothing: importing the package registers all modules."""
