"""An independent reader: answers the questions of all 20 bAbI tasks from the text alone.

It knows nothing of the generator and not even the number of the task: it hears statements and is
asked questions. Where the published data follow a convention, the function that follows it says so.
"""

from __future__ import annotations

from .listener import Answer, Listener
from .reading import NotUnderstood

__all__ = ["Answer", "Listener", "NotUnderstood"]
