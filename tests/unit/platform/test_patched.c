/* SPDX-License-Identifier: Apache-2.0 */
/* test_patched.c: the tests of test_notify.c, with every call site patched at its first trap. */
#define TEST_PATCH 1
#include "tests/unit/platform/test_notify.c"
