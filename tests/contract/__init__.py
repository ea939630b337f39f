"""One suite a port, run against the fake and against the real adapter on the local cloud.

What both pass is what the stages may rely on; a fake that is kinder than AWS fails here.
"""
