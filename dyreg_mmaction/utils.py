"""What MMEngine's hub looks for in a package: ``get_model('dyreg_mmaction::...')``."""


def register_all_modules(init_default_scope: bool = True) -> None:
    """Does nothing: importing the package has registered everything."""
