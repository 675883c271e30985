"""Matplotlib's back end inside the wall: what it would put on a screen is shown to the host.

``MPLBACKEND`` names it. It draws as the back end Agg does. As in a notebook, ``plt.show()`` shows every open figure and
closes it, and figures that are open when the program ends are shown then.
"""

import io

from matplotlib import rc_context
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from . import channels, charts, displays

__all__ = ["FigureCanvas", "FigureManager", "forms_of", "show_open"]

_CHART = "application/vnd.understudy.chart+json"
_MOST_POINTS_OF_SVG = 20_000  # beyond, an SVG takes long to make and is larger than the PNG says
_SHOWN = "_understudy_shown"  # the PNG that was shown last


class FigureManager(FigureManagerBase):
    """One figure of pyplot's."""

    def show(self):
        """``figure.show()``."""
        _show(self.canvas.figure)

    @classmethod
    def pyplot_show(cls, *, block=None):
        """``plt.show()``. One that does not block is followed by more drawing, so the figures stay open."""
        for manager in Gcf.get_all_fig_managers():
            figure = manager.canvas.figure
            if block is not False or not hasattr(figure, _SHOWN):
                _show(figure)
        if block is not False:
            Gcf.destroy_all()


class FigureCanvas(FigureCanvasAgg):
    """Draws with Agg."""

    manager_class = FigureManager


def show_open():
    """Show what pyplot has open and has not been shown as it is now, and close it. Never raises."""
    managers = Gcf.get_all_fig_managers()
    for manager in managers:
        figure = manager.canvas.figure
        try:
            if not hasattr(figure, _SHOWN) or getattr(figure, _SHOWN) != _picture(figure):
                _show(figure)
        except Exception as error:  # the program has ended: there is nobody to raise it to
            channels.complain(f"figure {manager.num} cannot be shown: {channels.text_of(error)}")
    Gcf.destroy_all()


def forms_of(figure):
    """A figure as PNG, as SVG where that is not too large, and as the chart's data; its title and size."""
    picture = _picture(figure)
    forms = {"image/png": picture, "text/plain": channels.repr_of(figure)}
    if charts.points(figure) <= _MOST_POINTS_OF_SVG:
        forms["image/svg+xml"] = _drawn(figure, "svg", {"Date": None, "Creator": None}).decode("utf-8")
    try:
        data = charts.describe(figure)
    except Exception as error:  # the picture matters more than its data
        channels.complain(f"the chart's data cannot be told: {type(error).__name__}: {channels.text_of(error)}")
        data = {"charts": []}
    if data["charts"]:
        forms[_CHART] = data
    setattr(figure, _SHOWN, picture)
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
    return forms, {"title": charts.title(figure), "width_px": width, "height_px": height}


def _show(figure):
    forms, rest = forms_of(figure)
    displays.send(forms, **rest)


def _picture(figure):
    return _drawn(figure, "png", {"Software": None})


def _drawn(figure, kind, metadata):
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "understudy"}):  # the same drawing gives the same bytes
        figure.canvas.print_figure(
            buffer,
            format=kind,
            dpi=figure.dpi,
            facecolor=figure.get_facecolor(),
            edgecolor=figure.get_edgecolor(),
            bbox_inches="tight",
            metadata=metadata,
        )
    return buffer.getvalue()


charts.watch(Axes)
