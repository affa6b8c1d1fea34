"""Import annotated images of common formats as a data set of the course."""

from helpers.datasets.importing.command import add_command
from helpers.datasets.importing.importing import Imported, import_data
from helpers.datasets.importing.items import Skipped

__all__ = ["Imported", "Skipped", "add_command", "import_data"]
