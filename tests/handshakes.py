"""A handshake in memory; imports ssl alone, since what tests the first imports of a process uses it, too."""

import ssl


def verifies(context: ssl.SSLContext, server: ssl.SSLContext) -> bool:
    """Whether a client of `context` takes the certificate of `server`, which is for localhost."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(into, out, server_hostname="localhost")
    theirs = server.wrap_bio(out, into, server_side=True)
    for side in (ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError:
            return False
    return True
