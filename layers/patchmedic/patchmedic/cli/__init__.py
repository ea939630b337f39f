"""The operator's command ``patchmedic``.  Never on a Lambda's import path."""
