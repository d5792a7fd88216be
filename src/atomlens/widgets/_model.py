"""What all models share: an error in words instead of a traceback."""

import traitlets


class Model(traitlets.HasTraits):
    """What a widget knows and does, without anything on a screen."""

    error = traitlets.Unicode("", help="What went wrong, or nothing.")

    def _tried(self, function, *args, **settings):
        """What the function returns; None if what was asked for cannot be done, and `error` says why."""
        try:
            result = function(*args, **settings)
        except (TypeError, ValueError) as error:
            self.error = str(error)
            return None
        self.error = ""
        return result
