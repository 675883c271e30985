"""Tables of pandas as a program shows them: HTML, rows as JSON, text. Long ones are cut."""

__all__ = ["forms_of"]

_TABLE = "application/vnd.dataresource+json"
_MOST_ROWS = 1000
_MOST_CELLS = 50_000


def forms_of(table):
    """The forms of a DataFrame or Series. HTML and text are as long as pandas' own options say."""
    frame = table.to_frame() if table.ndim == 1 else table
    forms = {"text/plain": repr(table), _TABLE: _rows(frame)}
    html = frame._repr_html_()
    if html is not None:
        forms["text/html"] = html
    return forms


def _rows(frame):
    """The first rows in the Table Schema's JSON; ``total_rows`` says how many there are where some are left out."""
    if not frame.columns.is_unique:
        return None
    most = min(_MOST_ROWS, max(1, _MOST_CELLS // max(1, frame.shape[1])))
    try:
        text = frame.head(most).to_json(orient="table", date_format="iso")
    except Exception:  # cells or columns that have no JSON: the other forms do
        return None
    return text if len(frame) <= most else f'{text[:-1]},"total_rows":{len(frame)}}}'
