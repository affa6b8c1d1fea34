"""The exception for mistakes that a user can fix."""


class CourseError(ValueError):
    """Input that the course cannot use; the message says in one sentence what was expected, what came, what to do."""
