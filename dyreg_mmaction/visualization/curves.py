"""Plots of deletion and insertion curves."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dyreg_mmaction.evaluation.explanation import Curves

STYLES = {'effect': ('C3', '-'), 'motion': ('C0', '-'), 'random': ('0.5', '--')}


def draw_curves(path: Path, curves: dict[str, Curves]) -> None:
    """Plot the probability of the class against the fraction of closed and of open nodes.

    Args:
        path (Path): PNG file to write.
        curves (dict[str, Curves]): Curves by node order.
    """
    figure = Figure(figsize=(8, 3.2), layout='constrained')
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, kind, what in ((left, 'deletion', 'closed'), (right, 'insertion', 'open')):
        for name, both in curves.items():
            curve = getattr(both, kind)
            color, line = STYLES[name]
            label = f'{name} ({np.mean((curve[1:] + curve[:-1]) / 2):.2f})'
            axes.plot(np.linspace(0, 1, len(curve)), curve, line, color=color, label=label)
        axes.set(title=kind, xlabel=f'fraction of nodes {what}', ylim=(0, 1.02))
        axes.legend(title='order (area)', fontsize='small')
    left.set_ylabel('probability of the class')
    figure.savefig(path, dpi=120)
