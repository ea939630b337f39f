"""What people read about an incident: e-mail, SMS, pager, in English and Japanese.

``render`` turns an incident into a ``Notice`` (pure); ``senders`` hands it to SNS and EventBridge.
``words`` holds every sentence, ``mask`` hides secrets, ``text`` makes untrusted text harmless.
Nothing is imported here, so that a function pays only for the part it uses.
"""
