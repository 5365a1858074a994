#!/usr/bin/env python3
"""Unpacks so many different security descriptors by Samba's own reader (C), and prints how many milliseconds that took."""

import os
import struct
import sys
import time

from samba.dcerpc import security
from samba.ndr import ndr_unpack

with open(os.path.join(os.path.dirname(__file__), "user.hex"), encoding="ascii") as file:
    FRONT = bytes.fromhex(file.read().strip())[:-4]
COUNT = int(sys.argv[1])
begun = time.perf_counter()
for n in range(COUNT):
    ndr_unpack(security.descriptor, FRONT + struct.pack("<I", n))
print((time.perf_counter() - begun) * 1000)
