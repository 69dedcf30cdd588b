# SPDX-License-Identifier: Apache-2.0
SRCS += gofer/attr.c
SRCS += gofer/content.c
SRCS += gofer/fid.c
SRCS += gofer/filter.c
SRCS += gofer/mounter.c
SRCS += gofer/ring.c
SRCS += gofer/server.c
SRCS += gofer/sock.c
SRCS += gofer/tree.c

UNIT_TESTS += tests/unit/gofer/test_tree.c
UNIT_TESTS += tests/unit/gofer/test_attr.c
UNIT_TESTS += tests/unit/gofer/test_mounter.c
UNIT_TESTS += tests/unit/gofer/test_content.c
UNIT_TESTS += tests/unit/gofer/test_server.c
UNIT_TESTS += tests/unit/gofer/test_ring.c
UNIT_TESTS += tests/unit/gofer/test_client.c
UNIT_TESTS += tests/unit/gofer/test_client_fibers.c

FUZZ_TESTS += tests/fuzz/fuzz_gofer.c
FUZZ_TESTS += tests/fuzz/fuzz_gofer_reply.c
