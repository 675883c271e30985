"""The SQL guest: DuckDB in memory, inside the wall, with everything locked that reaches out of it.

``host`` runs in the host. The rest runs inside the wall as the package ``sql`` below /guest, on top of the Python
guest, with DuckDB from the guest environment ``sql``.
"""
