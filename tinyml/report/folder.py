"""What the folder of a build holds, besides what ways put there."""

from collections.abc import Iterable
from pathlib import Path

from tinyml.build.files import write_file
from tinyml.pipeline import Compilation, need
from tinyml.report.document import Report, make_report
from tinyml.report.schedule_page import schedule_page, subject_of
from tinyml.store import write_report
from tinyml.ways import write_ways

MEMORY_PAGE = "memory.html"


def write_build(done: Compilation, ways: Iterable[str], folder: Path) -> Report:
    """Writes what the ways give, the report, and a page that draws the memory plan. Returns the report.

    Raises:
        UsageError: as `write_ways`.
    """
    write_ways(done, ways, folder)
    page = schedule_page(subject_of(done), need(done.plan), None)
    write_file(folder / MEMORY_PAGE, page.encode())
    report = make_report(done)
    write_report(folder, report.to_json())
    return report
