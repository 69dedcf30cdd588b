# SPDX-License-Identifier: Apache-2.0

# The command line with a fake Sentry: tests/oci/fake_sentry.c.
FAKE := $(B)/tests/runsc-c-fake
$(FAKE): $(B)/obj/tests/oci/fake_sentry.o $(B)/obj/runsc-c/main.o $(B)/librunsc.a
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK_EXE) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The kernel without jail, gofer and OCI: for work on it (tests/kernel/minirun.c).
.PHONY: minirun
minirun: $(B)/minirun
$(B)/minirun: $(B)/obj/tests/kernel/minirun.o $(B)/librunsc.a
	$(say) LINK $@
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $^ $(LDLIBS)
