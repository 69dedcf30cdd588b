# SPDX-License-Identifier: Apache-2.0
SRCS += platform/arch/x86_64/callsite.c
SRCS += platform/arch/x86_64/abort_call.S
SRCS += platform/arch/x86_64/abortable.c
SRCS += platform/arch/x86_64/fpstate.c
SRCS += platform/arch/x86_64/insn.c
SRCS += platform/host.c
SRCS += platform/host_filter.c
SRCS += platform/host_network_options.c
SRCS += platform/jail.c
SRCS += platform/notify/census.c
SRCS += platform/notify/clone.c
SRCS += platform/notify/hostcall.c
SRCS += platform/notify/mm.c
SRCS += platform/notify/ops.c
SRCS += platform/notify/patch.c
SRCS += platform/notify/patch_arena.c
SRCS += platform/notify/patch_view.c
SRCS += platform/notify/receive.c
SRCS += platform/notify/poll.c
SRCS += platform/notify/pollers.c
SRCS += platform/notify/regs.c
SRCS += platform/notify/thread.c
SRCS += platform/notify/window.c
SRCS += platform/notify/x86_64/sentry.S
SRCS += platform/notify/zygote.c
SRCS += platform/platform.c
SRCS += platform/proc.c
SRCS += platform/ptrace/exit.c
SRCS += platform/ptrace/futex.c
SRCS += platform/ptrace/mm.c
SRCS += platform/ptrace/native.c
SRCS += platform/ptrace/order.c
SRCS += platform/ptrace/thread.c
SRCS += platform/ptrace/tracer.c
SRCS += platform/ptrace/x86_64/text.S
SRCS += platform/ptrace/zygote.c
SRCS += platform/stub_filter.c
SRCS += platform/zygote.c

UNIT_TESTS += tests/unit/platform/test_callsite.c
UNIT_TESTS += tests/unit/platform/test_host_filter.c

# ---- the stub: freestanding, linked into one flat image, carried in the executable ---------------

STUB_SRCS += platform/stub/x86_64/entry.S
STUB_SRCS += platform/stub/stub.c
STUB_SRCS += platform/stub/native.c
STUB_SRCS += platform/stub/exit.c
STUB_SRCS += platform/stub/fpu.c
STUB_SRCS += platform/stub/futex.c
STUB_SRCS += platform/stub/marshal.c
STUB_SRCS += platform/stub/patch.c
STUB_SRCS += platform/stub/zygote.c

STUB_OBJS   := $(patsubst %,build/stub/%.o,$(basename $(STUB_SRCS)))
STUB_BIN    := build/stub/stub.bin
STUB_CFLAGS := -std=gnu17 -O2 -ffreestanding -fno-builtin -fpie -fvisibility=hidden \
	-mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-jump-tables -fno-strict-aliasing \
	-fomit-frame-pointer -nostdlib $(filter-out -Wcast-qual,$(WARN))

build/stub/%.o: %.c | $(GEN)/stub_marshal.h
	$(say) STUB $<
	@mkdir -p $(@D)
	$(Q)$(CC) -I. -I$(GEN) -MMD -MP $(STUB_CFLAGS) -c -o $@ $<

build/stub/%.o: %.S
	$(say) STUB $<
	@mkdir -p $(@D)
	$(Q)$(CC) -I. -MMD -MP -c -o $@ $<

build/stub/stub.elf: $(STUB_OBJS) platform/stub/stub.ld
	$(say) LD $@
	$(Q)$(CC) -nostdlib -static -Wl,--build-id=none,-z,noexecstack,-T,platform/stub/stub.ld \
		-o $@ $(STUB_OBJS)

$(STUB_BIN): build/stub/stub.elf
	$(Q)objcopy -O binary -j .image $< $@

SRCS += platform/stub/blob.S
$(B)/obj/platform/stub/blob.o: $(STUB_BIN)
CPPFLAGS += -DSTUB_BIN='"$(STUB_BIN)"'

-include $(STUB_OBJS:.o=.d)

# ---- the platform's tests: freestanding applications --------------------------------------------

UNIT_TESTS += tests/unit/platform/test_notify.c
UNIT_TESTS += tests/unit/platform/test_ptrace.c
UNIT_TESTS += tests/unit/platform/test_patched.c
UNIT_TESTS += tests/unit/platform/test_stub_filter.c

build/test/programs.elf: tests/unit/platform/programs.c tests/unit/platform/programs.h platform/stub/abi.h \
		tests/unit/platform/programs.ld
	$(say) PROG $<
	@mkdir -p $(@D)
	$(Q)$(CC) -I. $(STUB_CFLAGS) -O1 -nostdlib -static -no-pie -fno-pie \
		-Wl,--build-id=none,--no-warn-rwx-segments,-T,tests/unit/platform/programs.ld -o $@ $<

build/test/programs.bin: build/test/programs.elf
	$(Q)objcopy -O binary -j .image $< $@

$(B)/obj/tests/unit/platform/test_notify.o: build/test/programs.bin
$(B)/obj/tests/unit/platform/test_ptrace.o: build/test/programs.bin
$(B)/obj/tests/unit/platform/test_patched.o: build/test/programs.bin
