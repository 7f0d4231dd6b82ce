"""From evidence to a cause.

``table`` holds what is known, a line a cause; ``explain`` applies it. A cause is named when the evidence names it;
otherwise the failure is ``container-exited`` or ``engine-error`` with the raw text.
"""
