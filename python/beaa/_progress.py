"""Bars for long work."""

from .errors import InputKindError, MissingPackageError


def callback(progress):
    """Gives what is told of progress: nothing, a bar for `True`, or the callable itself."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return _Bar()
    if callable(progress):
        return progress
    found, expected = f"{progress!r}", "True, False, or a callable that takes (what, done, steps)"
    message = f"showing progress: found {found}, expected {expected}; leave it out for none"
    raise InputKindError(
        message, operation="showing progress", found=found, expected=expected, remedy="leave it out for none"
    )


class _Bar:
    """Shows one piece of work after the other with tqdm."""

    def __init__(self):
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            remedy = 'install it with pip install "beaa[progress]", or give a callable'
            message = f"showing progress: found no package tqdm, expected it for progress=True; {remedy}"
            said = dict(operation="showing progress", found="no package tqdm", expected="it for progress=True")
            raise MissingPackageError(message, remedy=remedy, **said) from error
        self._new, self._bar, self._what = tqdm, None, None

    def __call__(self, what, done, steps):
        if what != self._what:
            self._close()
            self._bar, self._what = self._new(total=steps, desc=what, leave=False), what
        self._bar.update(done - self._bar.n)
        if done >= steps:
            self._close()

    def _close(self):
        if self._bar is not None:
            self._bar.close()
            self._bar, self._what = None, None
