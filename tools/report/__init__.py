"""The page that shows a run: pictures and figures from the store, in one HTML file."""

from tidecast.tools.report.write import write_report

__all__ = ["write_report"]
