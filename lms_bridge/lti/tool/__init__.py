"""The bridge as an LTI 1.3 Advantage tool: towards the Academy's platform and a centre's LMS.

PyLTI1p3 does the protocol; the modules here take the place of its request, cookie, session,
configuration, signature check and service connector, so that a login is taken once and by the
browser that began it, keys may rotate, clocks may differ, and every call has its time-outs.
"""
