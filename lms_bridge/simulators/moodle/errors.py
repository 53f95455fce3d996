"""Errors as Moodle words them on the wire: HTTP 200 with exception, error code and message."""

from .facts import CAPABILITY_LABELS


class MoodleError(Exception):
    """An error answer; ``errorcode`` is None when PHP itself broke."""

    def __init__(self, exception: str, errorcode: str | None, message: str) -> None:
        super().__init__(message)
        self.exception = exception
        self.errorcode = errorcode
        self.message = message

    def body(self) -> dict[str, str]:
        """``{"exception", "errorcode", "message"}``, in Moodle's order."""
        answer = {"exception": self.exception}
        if self.errorcode is not None:
            answer["errorcode"] = self.errorcode
        return answer | {"message": self.message}


def moodle_exception(errorcode: str, message: str) -> MoodleError:
    """The general kind, with its own error code."""
    return MoodleError("core\\exception\\moodle_exception", errorcode, message)


def invalid_parameter() -> MoodleError:
    """Whatever is wrong with the form: a production site doesn't say what."""
    return MoodleError(
        "core\\exception\\invalid_parameter_exception",
        "invalidparameter",
        "Invalid parameter value detected",
    )


def missing_record(table: str) -> MoodleError:
    """A row that isn't there."""
    return MoodleError(
        "dml_missing_record_exception",
        "invalidrecord",
        f"Can't find data record in database table {table}.",
    )


def invalid_user() -> MoodleError:
    """An unknown person in an enrolment, a group or a report."""
    return MoodleError("dml_missing_record_exception", "invaliduser", "Invalid user")


def no_permission(capability: str) -> MoodleError:
    """A capability that is missing and that Moodle says so about."""
    label = CAPABILITY_LABELS.get(capability, capability)
    return MoodleError(
        "core\\exception\\required_capability_exception",
        "nopermissions",
        f"Sorry, but you do not currently have permissions to do that ({label}).",
    )


def access_refused() -> MoodleError:
    """Expired token, function outside the service or no right to use REST."""
    return MoodleError("webservice_access_exception", "accessexception", "Access control exception")


def login_required() -> MoodleError:
    """A course that the caller may not enter."""
    return MoodleError(
        "core\\exception\\require_login_exception",
        "requireloginerror",
        "Course or activity not accessible.",
    )


def course_context_invalid(course_id: int, reason: MoodleError) -> MoodleError:
    """The same, as the functions word it that check a whole course context."""
    return moodle_exception(
        "errorcoursecontextnotvalid",
        f"You cannot execute functions in the course context (course id:{course_id}). "
        f"The context error message was: {reason.message}",
    )
