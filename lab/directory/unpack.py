#!/usr/bin/env python3
"""Unpacks so many different security descriptors, and prints how many milliseconds that took.

    unpack.py COUNT [DESCRIPTOR] [READER]

DESCRIPTOR is a file with one in hexadecimal, by default user.hex beside this. READER is samba (the default; C), or impacket.
"""

import os
import struct
import sys
import time

COUNT = int(sys.argv[1])
FILE = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(__file__), "user.hex")
if sys.argv[3:] == ["impacket"]:
    from impacket.ldap.ldaptypes import SR_SECURITY_DESCRIPTOR

    def unpack(data):
        SR_SECURITY_DESCRIPTOR(data=data)

else:
    from samba.dcerpc import security
    from samba.ndr import ndr_unpack

    def unpack(data):
        ndr_unpack(security.descriptor, data)


with open(FILE, encoding="ascii") as file:
    FRONT = bytes.fromhex(file.read().strip())[:-4]
begun = time.perf_counter()
for n in range(COUNT):
    unpack(FRONT + struct.pack("<I", n))
print((time.perf_counter() - begun) * 1000)
