"""The demos of the notebooks, one module each: views on functions of other modules, with no logic of their own.

Each demo is an ipywidgets box whose controls are attributes. It works without a front end too: set the `value` of a
control or call `click()`, and read the picture back as bytes.
"""
