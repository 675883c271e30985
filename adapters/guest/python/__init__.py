"""The Python guest.

``host`` runs in the host and says how to start the guest. Everything else runs inside the wall, as the package
``python`` below /guest, together with copies of the host's typed values and of the protocol: standard library only,
Python 3.9 to 3.15, and as few imports as will do, because every run pays for them.
"""
