"""The data behind a figure of matplotlib's: kind of chart, axes, series. What is too much is thinned out.

Most of it is read from what was drawn. Of histograms, pies, boxes, violins and areas only shapes are left once they are
drawn, so ``watch`` notes their numbers on the first shape of each.
"""

import functools

from . import scales

__all__ = ["describe", "points", "title", "watch"]

_NOTE = "_understudy_data"
_PART = {"kind": ""}  # the note on a shape that belongs to another
_MOST_CHARTS = 50
_MOST_SERIES = 100
_MOST_CELLS = 10_000
_PLAIN_LABEL = 200


def describe(figure):
    """Every chart in a figure: ``{"title", "charts": [{"kind", "title", "x", "y", "series"}, ...]}``."""
    thinner = scales.Thinner()
    drawn = [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]
    charts = [_chart(axes, thinner) for axes in drawn[:_MOST_CHARTS]]
    return {"title": title(figure), "charts": [chart for chart in charts if chart["series"] or chart["title"]]}


def title(figure):
    """What the figure is called: its own title, or that of its only chart."""
    whole = getattr(figure, "_suptitle", None)
    text = whole.get_text() if whole is not None else ""
    return text or next((axes.get_title() for axes in figure.axes if axes.get_title()), "")


def points(figure):
    """About how many points are drawn."""
    count = 0
    for axes in figure.axes:
        count += sum(len(line.get_xdata(orig=False)) for line in axes.lines)
        for collection in axes.collections:
            count += max(len(collection.get_offsets()), sum(len(path.vertices) for path in collection.get_paths()))
        count += 5 * len(axes.patches)
    return count


# --- what only the call knows -----------------------------------------------------------------------------------------


def watch(axes_class):
    """Note the numbers of what is drawn from now on."""
    for name, note in _NOTES.items():
        setattr(axes_class, name, _noting(getattr(axes_class, name), note))


def _noting(original, note):
    @functools.wraps(original)
    def method(self, *args, **kwargs):
        drawn = original(self, *args, **kwargs)
        try:  # noqa: SIM105
            note(drawn, *args, **kwargs)
        except Exception:  # a form of the call that is not known here: the drawing stands
            pass
        return drawn

    return method


def _mark(shapes, record):
    first, *rest = shapes
    setattr(first, _NOTE, record)
    for shape in rest:
        setattr(shape, _NOTE, _PART)


def _note_hist(drawn, x=None, *args, **kwargs):
    counts, edges, shapes = drawn
    several = not hasattr(shapes, "get_label") and hasattr(shapes[0], "__len__")
    groups = list(zip(counts, shapes)) if several else [(counts, shapes)]
    for heights, group in groups:
        label = group.get_label() if hasattr(group, "get_label") else group[0].get_label()
        _mark(list(group), {"kind": "hist", "label": label, "edges": edges, "counts": heights})


def _note_pie(drawn, x=None, *args, **kwargs):
    wedges = getattr(drawn, "wedges", None) or drawn[0]
    labels = [wedge.get_label() for wedge in wedges]
    _mark(wedges, {"kind": "pie", "label": "", "labels": labels, "values": list(x)})


def _note_boxes(drawn, bxpstats, *args, **kwargs):
    names = {"whislo": "low", "q1": "q1", "med": "median", "q3": "q3", "whishi": "high", "mean": "mean"}
    boxes = [
        {
            "label": str(box.get("label", "")),
            **{ours: scales.plain(box[name]) for name, ours in names.items() if box.get(name) is not None},
            "outliers": [scales.plain(each) for each in list(box.get("fliers", ()))[:_MOST_SERIES]],
        }
        for box in bxpstats[:_MOST_SERIES]
    ]
    _mark([shape for shapes in drawn.values() for shape in shapes], {"kind": "box", "label": "", "boxes": boxes})


def _note_violins(drawn, vpstats, *args, **kwargs):
    names = {"min": "low", "median": "median", "max": "high", "mean": "mean"}
    violins = [{ours: scales.plain(each[name]) for name, ours in names.items()} for each in vpstats[:_MOST_SERIES]]
    shapes = [*drawn["bodies"], *(shape for name, shape in drawn.items() if name != "bodies")]
    _mark(shapes, {"kind": "violin", "label": "", "violins": violins})


def _note_area(drawn, x, y1, y2=0, *args, **kwargs):
    _mark([drawn], {"kind": "area", "label": drawn.get_label(), "x": x, "low": y2, "high": y1})


_NOTES = {
    "bxp": _note_boxes,
    "fill_between": _note_area,
    "hist": _note_hist,
    "pie": _note_pie,
    "violin": _note_violins,
}

# --- what is drawn ----------------------------------------------------------------------------------------------------


def _chart(axes, thinner):
    seen = set()
    series = [*_noted(axes, thinner, seen), *_bars(axes, thinner, seen), *_lines(axes, thinner, seen)]
    series += [*_scatters(axes, thinner, seen), *_pies(axes, seen), *_grids(axes)]
    kinds = {each["kind"] for each in series}
    return {
        "kind": "mixed" if len(kinds) > 1 else (kinds.pop() if kinds else "other"),
        "title": _text(axes.get_title() or axes.get_title("left") or axes.get_title("right")),
        "x": scales.about(axes.xaxis),
        "y": scales.about(axes.yaxis),
        "series": series[:_MOST_SERIES],
    }


def _text(label):
    """A label as a reader sees it; those that begin with _ are matplotlib's own."""
    text = str(label)
    return "" if text.startswith("_") else text[:_PLAIN_LABEL]


def _noted(axes, thinner, seen):
    """What ``watch`` noted on the shapes that are still there."""
    for shape in axes.get_children():
        note = getattr(shape, _NOTE, None)
        if note is None:
            continue
        seen.add(id(shape))
        if note is _PART:
            continue
        record = {**note, "label": _text(note["label"])} if "label" in note else dict(note)
        if note["kind"] == "area":
            low, high = (scales.as_long_as(note["x"], note[side]) for side in ("low", "high"))
            record.update(thinner.thin(x=(axes.xaxis, note["x"]), low=(axes.yaxis, low), high=(axes.yaxis, high)))
        elif note["kind"] == "hist":
            record.update(edges=scales.along(axes.xaxis, note["edges"]), counts=scales.numbers(note["counts"]))
        elif note["kind"] == "pie":
            record.update(labels=[_text(each) for each in note["labels"]], values=scales.numbers(note["values"]))
        yield record


def _bars(axes, thinner, seen):
    for container in axes.containers:
        bars = [shape for shape in container if hasattr(shape, "get_height") and id(shape) not in seen]
        if type(container).__name__ != "BarContainer" or not bars:
            continue
        seen.update(map(id, bars))
        flat = container.orientation == "horizontal"
        if flat:
            places = [bar.get_y() + bar.get_height() / 2 for bar in bars]
            lengths, begins = [bar.get_width() for bar in bars], [bar.get_x() for bar in bars]
            sides = {"x": (axes.xaxis, lengths), "y": (axes.yaxis, places), "base": (axes.xaxis, begins)}
        else:
            places = [bar.get_x() + bar.get_width() / 2 for bar in bars]
            lengths, begins = [bar.get_height() for bar in bars], [bar.get_y() for bar in bars]
            sides = {"x": (axes.xaxis, places), "y": (axes.yaxis, lengths), "base": (axes.yaxis, begins)}
        if not any(begins):
            del sides["base"]
        label = _text(container.get_label())
        yield {
            "kind": "bar",
            "label": label,
            "orientation": "horizontal" if flat else "vertical",
            **thinner.thin(**sides, named=("y" if flat else "x",)),
        }


def _lines(axes, thinner, seen):
    labels = {}
    for container in axes.containers:
        if type(container).__name__ == "ErrorbarContainer":
            labels[id(container[0])] = container.get_label()
            seen.update(id(cap) for cap in container[1])
        elif type(container).__name__ == "StemContainer":
            labels[id(container.markerline)] = container.get_label()
            seen.add(id(container.baseline))
    for line in axes.lines:
        if id(line) in seen or not line.get_visible() or line.get_transform() != axes.transData:
            continue  # lines across the whole chart, drawn at a fraction of it, hold no data
        label = labels.get(id(line), line.get_label())
        if label == "_nolegend_":
            continue  # parts of a box that was drawn before anybody watched
        dots = line.get_linestyle() in ("None", "none", " ", "") and line.get_marker() not in ("None", "none", " ", "")
        x, y = line.get_xdata(orig=True), line.get_ydata(orig=True)
        yield {
            "kind": "scatter" if dots else "line",
            "label": _text(label),
            **thinner.thin(x=(axes.xaxis, x), y=(axes.yaxis, y)),
        }


def _scatters(axes, thinner, seen):
    for collection in axes.collections:
        if type(collection).__name__ != "PathCollection" or id(collection) in seen or not collection.get_visible():
            continue
        offsets = collection.get_offsets()
        if len(offsets):
            sides = {"x": (axes.xaxis, offsets[:, 0]), "y": (axes.yaxis, offsets[:, 1])}
            yield {"kind": "scatter", "label": _text(collection.get_label()), **thinner.thin(**sides)}


def _pies(axes, seen):
    """Pies that were drawn before anybody watched: all that is known are the shares."""
    wedges = [each for each in axes.patches if type(each).__name__ == "Wedge" and id(each) not in seen]
    if wedges:
        shares = [abs(wedge.theta2 - wedge.theta1) / 360 for wedge in wedges]
        labels = [_text(wedge.get_label()) for wedge in wedges]
        yield {"kind": "pie", "label": "", "labels": labels, "values": scales.numbers(shares)}


def _grids(axes):
    """Heat maps: images of one number a cell, and meshes."""
    meshes = [each for each in axes.collections if type(each).__name__ == "QuadMesh"]
    for grid in [*axes.images, *meshes]:
        cells = grid.get_array()
        shape = getattr(cells, "shape", ())
        if cells is None or len(shape) != 2:  # a photograph has three numbers a cell
            continue
        record = {"kind": "heatmap", "label": _text(grid.get_label()), "rows": shape[0], "columns": shape[1]}
        if shape[0] * shape[1] <= _MOST_CELLS:
            record["values"] = [scales.numbers(row) for row in cells]
        yield record
