# SPDX-License-Identifier: Apache-2.0
#
# One run of the generator makes every file; the stamp is its time.  The generator leaves files
# alone that would not change, so a changed note recompiles nothing.

TABLES := syscall-tables/x86_64.tbl syscall-tables/calls.def syscall-tables/structs.def \
	syscall-tables/flags.def
GENERATOR := syscall-tables/gen.py syscall-tables/model.py syscall-tables/emit_calls.py \
	syscall-tables/emit_docs.py syscall-tables/emit_marshal.py \
	syscall-tables/emit_trace.py syscall-tables/emit_checks.py
TABLE_OUT := $(GEN)/sys_calls.h $(GEN)/sys_wrappers.h $(GEN)/sys_dispatch.c $(GEN)/sys_names.c \
	$(GEN)/sys_trace.c $(GEN)/stub_marshal.h $(GEN)/table_checks.h \
	$(GEN)/syscall_tests.txt

GEN_HDRS += $(GEN)/sys_calls.h
GEN_HDRS += $(GEN)/sys_wrappers.h
GEN_HDRS += $(GEN)/stub_marshal.h
GEN_HDRS += $(GEN)/table_checks.h
SRCS += gen/sys_dispatch.c
SRCS += gen/sys_names.c
SRCS += gen/sys_trace.c
UNIT_TESTS += tests/unit/syscall-tables/test_marshal.c
UNIT_TESTS += tests/unit/syscall-tables/test_structs.c

$(GEN)/syscalls.stamp: $(TABLES) $(GENERATOR)
	$(say) GEN syscall-tables
	@mkdir -p $(GEN)
	$(Q)$(PYTHON) -B syscall-tables/gen.py build $(GEN)
	@touch $@

# A file that was removed is made again; one that did not change keeps its time.
$(TABLE_OUT): $(GEN)/syscalls.stamp
	@[ -f $@ ] || $(PYTHON) -B syscall-tables/gen.py build $(GEN)

.PHONY: docs-syscalls check-docs-syscalls unit-tables untested-syscalls
docs: docs-syscalls
docs-syscalls:
	$(Q)$(PYTHON) -B syscall-tables/gen.py docs docs/syscalls-x86_64.md
check-docs-syscalls:
	$(Q)$(PYTHON) -B syscall-tables/gen.py check-docs docs/syscalls-x86_64.md
# The generator's own tests, with the one that the documentation is fresh; `make check` runs them.
unit-tables:
	$(Q)$(PYTHON) -B tests/unit/syscall-tables/test_gen.py
# Calls that have a handler and no tests/syscall/NAME.c.
untested-syscalls: $(GEN)/syscall_tests.txt
	$(Q)while read -r n; do [ -f tests/syscall/$$n.c ] || echo $$n; done < $<
