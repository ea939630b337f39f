"""The SSM API over the fleet: requests in, botocore-shaped answers out.

``api`` routes one call through its gates (shape, access, throttle, injected failure) to an
operation; the other modules hold the operations.  Not here: what nodes do (``fleet``).
"""
