"""Made workbooks."""

import io

import openpyxl


def written(sheets: dict[str, list[list[str]]]) -> bytes:
    """Return an .xlsx of sheets by name, each a list of rows."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append([cell or None for cell in row])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
