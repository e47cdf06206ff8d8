"""The client without asyncio: the same names, and every call blocks.

>>> with connect(URL) as client:
...     result = client.request("documents", {"collection": "airports", "ids": ["TX"]}, deadline=10.0)
>>> result.data[0]["state"]
'TX'

Each client has one thread with an event loop for its connection; any number of threads may use the client. An exception
that interrupts a call, such as Ctrl-C, cancels the request and frees everything.
"""

from pushaside.sync.client import Client
from pushaside.sync.connecting import connect
from pushaside.sync.http_client import HttpClient
from pushaside.sync.subscription import Subscription

__all__ = ["Client", "HttpClient", "Subscription", "connect"]
