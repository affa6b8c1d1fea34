"""The one exception that stands for a user's mistake."""


class CourseError(ValueError):
    """Input that the course cannot work with: one sentence with what was expected, what came and what to do."""
