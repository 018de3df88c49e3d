"""Real data sets, fetched: https only, checked against published checksums, put into their place whole.

A call of `obtain(name, ...)` makes `<root>/<name>/` and nothing else that stays. What is on its way lies in
`<root>/downloads/<name>/`: archives (also those that somebody put there by hand), files that end in `.part`, and what
is being unpacked. So whatever stops it, the data set that was there before is as it was, and the same call goes on.
"""

from lcnb.downloads.calls import obtain, plan, verify
from lcnb.downloads.places import Place, place
from lcnb.downloads.sources import SOURCES
from lcnb.downloads.transfer import Patience, Session

__all__ = ["SOURCES", "Patience", "Place", "Session", "obtain", "place", "plan", "verify"]
