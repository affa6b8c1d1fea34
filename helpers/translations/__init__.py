"""The notebooks in other languages: their texts are translated, their code is not."""

from helpers.translations.building import build, folder
from helpers.translations.files import LANGUAGES, words

__all__ = ["LANGUAGES", "build", "folder", "words"]
