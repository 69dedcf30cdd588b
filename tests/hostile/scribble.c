/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes, lengths and numbers over channel, areas and text, while other threads trap. */
#include "h.h"

static void *trap(void *arg)
{
	char buf[300];
	int p[2];

	if (pipe(p) < 0)
		return arg;
	for (;;) {
		(void)!write(p[1], buf, sizeof(buf));
		(void)!read(p[0], buf, sizeof(buf));
		(void)raw(SYS_uname, (long)buf, 0, 0, 0, 0, 0);
		(void)!readlink("/proc/self/exe", buf, sizeof(buf));
		(void)!mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/proc/self/exe", O_RDONLY), 0);
		if (rnd() % 16 == 0)
			sane("scribbling (in the victim)");
	}
}

static int what, seed;

static void scribble(void)
{
	pthread_t t;
	int threads = 3;

	random_state = 99 + (uint32_t)seed * 7919;
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 200, 200 });
	freopen("/dev/null", "w", stdout);
	for (int i = 0; i < threads; i++)
		pthread_create(&t, NULL, trap, NULL);
	nap(0.01);
	for (int i = 0; i < 400; i++) {
		unsigned int victim = 1 + rnd() % 3;
		volatile struct stub_slot *s = slot_at(victim);
		volatile uint8_t *b = (volatile uint8_t *)s;

		switch (what) {
		case 0: /* header */
			b[rnd() % sizeof(struct stub_slot)] = (uint8_t)rnd();
			break;
		case 1: /* sequence numbers */
			s->request_seq = s->request_seq + 1 + rnd() % 3;
			s->reply_seq = rnd();
			break;
		case 2: /* windows */
			s->window_count = rnd() % 9;
			for (int w = 0; w < STUB_WINDOWS_MAX; w++) {
				s->windows[w].size = rnd();
				s->windows[w].offset = rnd() % 70000;
				s->out_size[w] = rnd();
				s->windows[w].addr = ((uint64_t)rnd() << 32) | rnd();
			}
			break;
		case 3: /* orders */
			s->reply = rnd() % 9;
			s->count = rnd();
			s->flags = rnd();
			for (int c = 0; c < STUB_CALLS_MAX; c++) {
				s->calls[c].nr = rnd() % 400;
				s->calls[c].result = (int64_t)rnd() - 5000;
			}
			s->done = (int64_t)rnd();
			break;
		case 4: /* the data */
			for (int k = 0; k < 200; k++)
				s->data[rnd() % STUB_DATA_SIZE(STUB_SLOT(victim))] = (uint8_t)rnd();
			break;
		case 5: /* stack, alternate stack, thread data */
			((volatile uint8_t *)(STUB_AREAS + (uint64_t)victim * STUB_AREA_SIZE))
				[4096 + rnd() % (STUB_AREA_SIZE - 4096)] = (uint8_t)rnd();
			break;
		case 6: /* kind of request, registers */
			s->request = rnd() % 8;
			s->nr = rnd() % 470;
			s->fpstate = ((uint64_t)rnd() << 32) | rnd();
			s->regs.rip = rnd();
			s->regs.rsp = ((uint64_t)rnd() << 32) | rnd();
			s->regs.cs = rnd();
			s->regs.ss = rnd();
			s->regs.eflags = rnd();
			break;
		}
		if (i % 8 == 0)
			sched_yield();
	}
	_exit(0);
}

int main(void)
{
	NEED_STUB();
	for (what = 0; what < 7; what++) {
		for (seed = 0; seed < 6; seed++)
			attack("scribbling", scribble, 2);
	}
	end_orphans(); /* a child that was made of a scribbled stub may hang, as its own affair */
	return failures != 0;
}
