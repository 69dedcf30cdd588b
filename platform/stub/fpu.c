/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fpu.c: FPU state on the way into a signal's handler and out of it, without a copy by the Sentry.
 *
 * In a handler of ours the state is in the host's frame, and the registers are the host's idea of fresh ones;
 * in a patched call there is no frame, and the registers are the application's, since nothing here uses them.
 * PKRU is left alone in the latter case: no handler may touch memory less than the code that it interrupts.
 */
#include "platform/stub/stub.h"

#define SOFTWARE_AT  464
#define SOFTWARE_USED 20 /* magic 1, size with magic 2, components, size without */
#define HEADER_AT    512
#define HEADER_SIZE  64
#define MAGIC2       0x46505845u
#define MXCSR_AT     24
#define MXCSR        0x1f80
#define PKRU         (1ull << 9)

/* 0: this machine's frames have no XSAVE area. */
static uint32_t area_size(void)
{
	uint32_t size = stub_process()->fpu_size;

	return size >= HEADER_AT + HEADER_SIZE ? size : 0;
}

static uint64_t components(void)
{
	return stub_process()->fpu_features & ~PKRU;
}

void stub_fpu_init(struct stub_ucontext *uc)
{
	if (!uc->fpstate) {
		(void)stub_xrstor((uint64_t)stub_fpu_initial, components());
	} else if (area_size()) {
		*(uint32_t *)(uc->fpstate + MXCSR_AT) = MXCSR;
		*(uint64_t *)(uc->fpstate + HEADER_AT) = 0;
	} else {
		uc->fpstate = 0; /* then it is what rt_sigreturn loads */
	}
}

bool stub_fpu_save(struct stub_ucontext *uc, uint64_t addr)
{
	static const uint8_t header[HEADER_SIZE];
	const uint8_t *software = (const uint8_t *)(uintptr_t)stub_process()->fpu_software;
	uint32_t size = area_size(), magic2 = MAGIC2;

	if (!size || (addr & 63))
		return false;
	if (uc->fpstate) {
		if (stub_copy((void *)addr, (const void *)uc->fpstate, size + sizeof(magic2)))
			return false;
	} else if (stub_copy((void *)(addr + HEADER_AT), header, HEADER_SIZE) ||
		   stub_xsave(addr, components()) ||
		   stub_copy((void *)(addr + SOFTWARE_AT), software, STUB_FPU_SOFTWARE) ||
		   stub_copy((void *)(addr + size), &magic2, sizeof(magic2))) {
		return false;
	}
	stub_fpu_init(uc);
	return true;
}

bool stub_fpu_load(struct stub_ucontext *uc, uint64_t addr)
{
	volatile struct stub_process *p = stub_process();
	uint8_t software[SOFTWARE_USED];
	uint32_t size = area_size(), magic2;

	if (!size || (addr & 63) ||
	    stub_copy(software, (const void *)(addr + SOFTWARE_AT), SOFTWARE_USED) ||
	    stub_load32(&magic2, addr + size) || magic2 != MAGIC2)
		return false;
	for (uint32_t i = 0; i < SOFTWARE_USED; i++) {
		if (software[i] != p->fpu_software[i])
			return false;
	}
	/* What the host refuses of it at rt_sigreturn is a fault of the application's, as on Linux. */
	if (uc->fpstate)
		return stub_copy((void *)uc->fpstate, (const void *)addr, size + sizeof(magic2)) == 0;
	return stub_xrstor(addr, components()) == 0;
}
