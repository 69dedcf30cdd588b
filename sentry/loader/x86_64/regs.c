/* SPDX-License-Identifier: Apache-2.0 */
/* regs.c: the first registers of a program (System V ABI, 3.4.1). */
#include <string.h>

#include "sentry/loader/loader.h"

void exec_set_registers(struct task *t, uint64_t entry, uint64_t sp)
{
	plat_regs_t *r = plat_regs_mut(t->pt);

	memset(r, 0, sizeof(*r));
	r->rip = entry;
	r->rsp = sp;
	r->eflags = 0x202;
	r->cs = 0x33;
	r->ss = 0x2b;
	r->orig_rax = ~0ull;
}
