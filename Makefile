# SPDX-License-Identifier: Apache-2.0
#
# One makefile, no recursion: each folder's module.mk appends its sources, one a line.
#
#   make            build/runsc-c (release)
#   make check      install what is missing, build and run every test
#   make demo       a sandbox over this machine's own root
#   make MODE=debug|release|asan|ubsan|tsan|cov   output in build/$(MODE)/
#   make V=1        show the commands

MODE    ?= release
CC      ?= gcc
PYTHON  ?= python3
PREFIX  ?= /usr/local
B       := build/$(MODE)
GEN     := build/gen

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- flags -----------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wimplicit-fallthrough
ifeq ($(WERROR),1)
WARN += -Werror
endif

CPPFLAGS := -I. -I$(GEN) -D_GNU_SOURCE -MMD -MP
CFLAGS_COMMON := -std=gnu17 -g -fno-strict-aliasing -fno-omit-frame-pointer -fvisibility=hidden $(WARN)
HARDEN := -fstack-protector-strong -fcf-protection=none
# Packed relative relocations (DT_RELR): 3 KB instead of 200 that every start reads.
LDHARDEN := -Wl,-z,relro,-z,now,-z,noexecstack,-z,pack-relative-relocs

CFLAGS_debug   := -O1 -DDEBUG=1
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_asan    := -O1 -DDEBUG=1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_ubsan   := -O1 -DDEBUG=1 -fsanitize=undefined -fno-sanitize-recover=undefined
CFLAGS_tsan    := -O1 -DDEBUG=1 -fsanitize=thread
CFLAGS_cov     := -O0 -DDEBUG=1 --coverage
CFLAGS_fuzz    := -O2 -DDEBUG=1 -DPORT_BUCKETS=8 -DCONN_SHARDS=2 -DCONN_BITS=3 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-sanitize-coverage=trace-cmp

# ASan and TSan builds must be dynamic (shared/pitfalls.md, part II, 6).
ifneq ($(filter $(MODE),release debug),)
LINK_EXE := -static-pie
else
LINK_EXE := -pie
endif
CFLAGS  := $(CFLAGS_COMMON) -fPIE $(HARDEN) $(CFLAGS_$(MODE)) $(EXTRA_CFLAGS)
LDFLAGS := $(LDHARDEN) $(filter -fsanitize% --coverage,$(CFLAGS_$(MODE))) -pthread
LDLIBS  := -lseccomp -ljansson

# ---- modules ---------------------------------------------------------------------------------

# SRCS         C and assembly of the runsc-c executable, but for its main
# MAIN_SRCS    the file with main()
# STUB_SRCS    the freestanding stub
# UNIT_TESTS   one cmocka binary a file
# FUZZ_TESTS   one libFuzzer binary a file
# GEN_HDRS     generated headers, made before anything is compiled
# EXTRA_ALL    further things that `all` builds
SRCS :=
MAIN_SRCS :=
STUB_SRCS :=
UNIT_TESTS :=
FUZZ_TESTS :=
GEN_HDRS :=
EXTRA_ALL :=

MODULES := lib platform vfs netstack gofer sentry syscall-tables runsc-c tests
include $(wildcard $(addsuffix /module.mk,$(MODULES)))

OBJS     := $(patsubst %,$(B)/obj/%.o,$(basename $(SRCS)))
MAINOBJS := $(patsubst %,$(B)/obj/%.o,$(basename $(MAIN_SRCS)))
FUZZBINS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_TESTS))
UNITBINS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_TESTS))
ARCHIVE  := $(B)/librunsc.a

# ---- rules -----------------------------------------------------------------------------------

.PHONY: deb all check unit syscall bench fuzz lint format layers headers docs install uninstall clean deps demo
ifneq ($(MAIN_SRCS),)
all: $(B)/runsc-c
ifeq ($(MODE),release)
all: build/runsc-c
endif
endif
all: $(ARCHIVE) $(EXTRA_ALL)

build/runsc-c: build/release/runsc-c
	$(Q)ln -sfn release/runsc-c $@

$(B)/obj/%.o: %.c | $(GEN_HDRS)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(basename $(notdir $<))) -c -o $@ $<

$(B)/obj/%.o: %.S | $(GEN_HDRS)
	$(say) AS $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Generated C, compiled where it was generated.
$(B)/obj/gen/%.o: $(GEN)/%.c | $(GEN_HDRS)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(ARCHIVE): $(OBJS)
	$(say) AR $@
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcsD $@ $^

# What netstack/ is promised to need (netstack/README.md); its tests and its fuzzer link nothing else.
NETARCHIVE := $(B)/libnetstack.a
$(NETARCHIVE): $(filter $(B)/obj/lib/% $(B)/obj/netstack/%,$(OBJS))
	$(say) AR $@
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(B)/runsc-c: $(MAINOBJS) $(ARCHIVE)
	$(say) LINK $@
	$(Q)$(CC) $(LINK_EXE) $(LDFLAGS) -o $@ $(MAINOBJS) $(ARCHIVE) $(LDLIBS)

$(B)/unit/netstack/%: $(B)/obj/tests/unit/netstack/%.o $(NETARCHIVE)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $< $(NETARCHIVE) $(LDLIBS) -lcmocka

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(ARCHIVE)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $< $(ARCHIVE) $(LDLIBS) -lcmocka

# The length decoder is compared with Zydis, which has no static library: only tests link it.
$(B)/unit/platform/test_callsite: LDLIBS += -lZydis

$(B)/fuzz/fuzz_netstack: $(B)/obj/tests/fuzz/fuzz_netstack.o $(NETARCHIVE)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(NETARCHIVE) $(LDLIBS)

$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(ARCHIVE)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(ARCHIVE) $(LDLIBS)

.SECONDARY:

# Unit tests run under ASan and UBSan; `make unit MODE=tsan` runs the threaded ones under TSan.
# A test that doesn't link fails alone.
.PHONY: unit-bins unit-run
UNIT_MODE := $(if $(filter release,$(MODE)),asan,$(MODE))
unit:
	-$(Q)$(MAKE) --no-print-directory -k MODE=$(UNIT_MODE) unit-bins
	$(Q)$(MAKE) --no-print-directory MODE=$(UNIT_MODE) unit-run
unit-bins: $(UNITBINS)
unit-run:
	$(Q)tests/run-unit $(UNITBINS)

# Each fuzzer for FUZZ_SECONDS, from tests/fuzz/corpus/NAME.tar.xz if there is one; what it finds interesting stays in build/fuzz/corpus/NAME.
# Measured: libFuzzer's entropic schedule takes half the time at 2,000 inputs of a corpus, ASan's stacks, fills and hooks of memcmp a third of the rest.
# (A finding is run again without these options: then ASan says where the memory came from.)
FUZZ_SECONDS ?= 10
FUZZ_FLAGS   ?= -entropic=0 -detect_leaks=0 -reload=0
FUZZ_ASAN    ?= malloc_context_size=0:quarantine_size_mb=1:thread_local_quarantine_size_kb=64:max_malloc_fill_size=0:allocator_release_to_os_interval_ms=-1:intercept_memcmp=0
.PHONY: fuzz-run
fuzz:
	$(Q)$(MAKE) --no-print-directory MODE=fuzz CC=clang fuzz-run
fuzz-run: $(FUZZBINS)
	$(Q)for f in $(FUZZBINS); do c=$(CURDIR)/build/fuzz/corpus/$${f##*/}; mkdir -p $$c; \
		[ ! -e tests/fuzz/corpus/$${f##*/}.tar.xz ] || tar -C $$c -xJf tests/fuzz/corpus/$${f##*/}.tar.xz; \
		ASAN_OPTIONS=$(FUZZ_ASAN) $$f $(FUZZ_FLAGS) -max_total_time=$(FUZZ_SECONDS) -close_fd_mask=3 -artifact_prefix=$$c. $$c \
			>$$c.log 2>&1 || { tail -40 $$c.log; exit 1; }; \
		tail -1 $$c.log | sed "s,^,$${f##*/}: ,"; \
	done

install: all
	install -D -m 0755 $(B)/runsc-c $(DESTDIR)$(PREFIX)/bin/runsc-c
deb: all
	mk/deb.sh $(B)/runsc-c build
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/runsc-c

clean:
	rm -rf build

deps:
	$(Q)mk/deps

layers:
	$(Q)mk/layers

# Each header compiles alone.
headers: $(GEN_HDRS)
	$(Q)for h in $$(git ls-files '*.h' | grep -vE '^(platform/stub|tests/syscall)/'); do \
		printf '#include "%s"\n' $$h | $(CC) $(filter-out -MMD -MP,$(CPPFLAGS)) \
			$(CFLAGS_COMMON) -DDEBUG=1 -Werror -fsyntax-only -x c - || \
			{ echo "headers: $$h"; exit 1; }; \
	done

# Clang's warnings and thread-safety analysis over every source; nothing may be left.
LINT_SRCS = $(patsubst gen/%,$(GEN)/%,$(sort $(filter %.c,$(SRCS) $(MAIN_SRCS) $(UNIT_TESTS))))
lint: $(GEN_HDRS)
	$(Q)printf '%s\n' $(LINT_SRCS) | xargs -P2 -n1 clang $(filter-out -MMD -MP,$(CPPFLAGS)) \
		$(filter-out -Werror,$(CFLAGS_COMMON)) -DDEBUG=1 -Wthread-safety -Werror -fsyntax-only

# What .ci/run calls: everything, and a last line with the sum ("N passed, N failed").
check:
	$(Q)MAKE="$(MAKE)" tests/check

format:
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

-include $(OBJS:.o=.d) $(MAINOBJS:.o=.d) $(patsubst tests/unit/%.c,$(B)/obj/tests/unit/%.d,$(UNIT_TESTS)) \
	$(patsubst tests/fuzz/%.c,$(B)/obj/tests/fuzz/%.d,$(FUZZ_TESTS)) $(B)/obj/tests/kernel/minirun.d

# A script in a sandbox over this machine's own root; writes stay in memory.
demo:
	$(Q)RUNSC_C_NO_TEST_DEPS=python3 $(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory MODE=release all
	$(Q)build/runsc-c do $(CURDIR)/mk/demo.sh
	$(Q)echo; if [ -e /tmp/runsc-c-demo ]; then echo "the host has /tmp/runsc-c-demo: that is wrong"; exit 1; \
		else echo "and on the host there is no /tmp/runsc-c-demo"; fi

# Native, runc, gVisor's runsc when found, and ours, in turns: a table (and JSON in build/).
bench: all
	$(Q)tests/programs/mkrootfs debian $${RUNSC_C_TEST_CACHE:-/var/tmp/runsc-c}/debian
	$(Q)tests/bench/run --json build/bench.json
	$(Q)tests/bench/programs --json build/bench-programs.json
	$(Q)tests/bench/net --json build/bench-net.json
