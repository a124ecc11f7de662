"""The event loop of the API: uvloop, with limits for clients that no protocol has heard of yet."""

from typing import Any

import uvloop


class Loop(uvloop.Loop):
    """A client that does not finish its TLS handshake is let go of sooner than after 60 s.

    uvicorn makes its servers with `create_server` and has no option for these.
    """

    handshake_s = 10.0
    shutdown_s = 5.0

    async def create_server(self, *args: Any, **options: Any) -> Any:
        """As the loop's; `ssl` decides whether the limits mean anything."""
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", self.handshake_s)
            options.setdefault("ssl_shutdown_timeout", self.shutdown_s)
        return await super().create_server(*args, **options)
