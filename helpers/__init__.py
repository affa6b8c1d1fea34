"""The Python package behind the notebooks.

Importing it applies the settings that must precede `import paddle`, see `helpers.common.runtime`, and loads nothing
else.
"""

from helpers.common import runtime

runtime.settle()
