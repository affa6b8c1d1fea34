"""Interactive demos of the notebooks, one module each: views on functions of other modules, without logic of their own.

Each demo is an ipywidgets box whose controls are attributes. It also works without a front end: set the `value` of a
control or call `click()`, and read the picture as bytes.
"""
