"""PatchMedic: find out why a patch run failed, fix what is safe, prove it, and tell people.

The pure core lives in ``model``, ``signals``, ``causes``, ``verdict``, ``policy`` and
``incident``; it imports nothing but the standard library, google-re2, ahocorasick-rs and msgspec.
``stages`` holds one module for each Lambda function and talks to the world through ``ports``; the
adapters behind the ports (``store``, ``run_command``, ``lookups``, ``queues``,
``notices.senders``) are the only modules that import boto3.
"""

__version__ = "0.1.0"
