"""How long tests wait for what must happen, before they fail.

It is for a machine whose cores are all busy with something else. A test that passes does not take longer for it, and
none may say by it that something was quick.
"""

PATIENCE_SECONDS = 120.0
