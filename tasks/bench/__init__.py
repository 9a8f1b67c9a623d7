"""Times the layers against torch's own, and checks what it times.

``config`` says what to measure, ``runner`` measures it, ``tables`` and ``plots`` show it.
"""
