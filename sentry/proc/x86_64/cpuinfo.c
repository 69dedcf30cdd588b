/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpuinfo.c: /proc/cpuinfo from CPUID.
 *
 * The CPU is asked once, when somebody first looks.  Applications run on it directly and can ask it themselves, so
 * nothing is hidden; only the number of CPUs is the container's.  The clock rate is the time stamp
 * counter's, measured between start and the first reading.
 *
 * Linux: arch/x86/kernel/cpu/{proc,capflags}.c, arch/x86/include/asm/cpufeatures.h (names).
 */
#include <cpuid.h>
#include <stdint.h>
#include <string.h>
#include <x86intrin.h>

#include "lib/clock.h"
#include "lib/mutex.h"
#include "sentry/proc/proc_impl.h"

enum cpuid_reg { EAX, EBX, ECX, EDX };

/* One register of flags: names by bit, in bit order; NULL or absent: not shown. */
struct flag_word {
	uint32_t leaf, subleaf;
	enum cpuid_reg reg;
	const char *names[32];
};

static const struct flag_word flag_words[] = {
	{ 1, 0, EDX,
	  { "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", NULL, "sep", "mtrr",
	    "pge", "mca", "cmov", "pat", "pse36", "pn", "clflush", NULL, "dts", "acpi", "mmx", "fxsr",
	    "sse", "sse2", "ss", "ht", "tm", "ia64", "pbe" } },
	{ 0x80000001, 0, EDX,
	  { [11] = "syscall", [19] = "mp", [20] = "nx", [22] = "mmxext", [25] = "fxsr_opt",
	    [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow" } },
	{ 1, 0, ECX,
	  { "pni", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2", "ssse3", "cid",
	    "sdbg", "fma", "cx16", "xtpr", "pdcm", NULL, "pcid", "dca", "sse4_1", "sse4_2", "x2apic",
	    "movbe", "popcnt", "tsc_deadline_timer", "aes", "xsave", NULL, "avx", "f16c", "rdrand",
	    "hypervisor" } },
	{ 0x80000001, 0, ECX,
	  { "lahf_lm", "cmp_legacy", "svm", "extapic", "cr8_legacy", "abm", "sse4a", "misalignsse",
	    "3dnowprefetch", "osvw", "ibs", "xop", "skinit", "wdt", NULL, "lwp", "fma4", "tce", NULL,
	    "nodeid_msr", NULL, "tbm", "topoext", "perfctr_core", "perfctr_nb", NULL, "bpext", "ptsc",
	    "perfctr_llc", "mwaitx" } },
	{ 7, 0, EBX,
	  { "fsgsbase", "tsc_adjust", NULL, "bmi1", "hle", "avx2", NULL, "smep", "bmi2", "erms",
	    "invpcid", "rtm", "cqm", NULL, "mpx", "rdt_a", "avx512f", "avx512dq", "rdseed", "adx",
	    "smap", "avx512ifma", NULL, "clflushopt", "clwb", "intel_pt", "avx512pf", "avx512er",
	    "avx512cd", "sha_ni", "avx512bw", "avx512vl" } },
	{ 0xd, 1, EAX, { "xsaveopt", "xsavec", "xgetbv1", "xsaves", "xfd" } },
	{ 7, 1, EAX,
	  { [4] = "avx_vnni", [5] = "avx512_bf16", [7] = "cmpccxadd", [10] = "fzrm", [11] = "fsrs",
	    [12] = "fsrc", [21] = "amx_fp16", [23] = "avx_ifma", [26] = "lam" } },
	{ 0x80000008, 0, EBX,
	  { "clzero", "irperf", "xsaveerptr", [4] = "rdpru", [9] = "wbnoinvd" } },
	{ 6, 0, EAX,
	  { "dtherm", "ida", "arat", NULL, "pln", NULL, "pts", "hwp", "hwp_notify", "hwp_act_window",
	    "hwp_epp", "hwp_pkg_req" } },
	{ 7, 0, ECX,
	  { NULL, "avx512vbmi", "umip", "pku", "ospke", "waitpkg", "avx512_vbmi2", NULL, "gfni", "vaes",
	    "vpclmulqdq", "avx512_vnni", "avx512_bitalg", "tme", "avx512_vpopcntdq", NULL, "la57",
	    [22] = "rdpid", [24] = "bus_lock_detect", [25] = "cldemote", [27] = "movdiri",
	    [28] = "movdir64b", [29] = "enqcmd" } },
	{ 0x80000007, 0, EBX, { "overflow_recov", "succor", NULL, "smca" } },
	{ 7, 0, EDX,
	  { [2] = "avx512_4vnniw", [3] = "avx512_4fmaps", [4] = "fsrm", [8] = "avx512_vp2intersect",
	    [10] = "md_clear", [14] = "serialize", [16] = "tsxldtrk", [18] = "pconfig",
	    [19] = "arch_lbr", [20] = "ibt", [22] = "amx_bf16", [23] = "avx512_fp16",
	    [24] = "amx_tile", [25] = "amx_int8", [28] = "flush_l1d", [29] = "arch_capabilities" } },
};

/* (c) after cpuinfo_read() */
static struct {
	struct mutex lock;
	bool known; /* (lock) */
	char vendor[13], model_name[49];
	uint32_t family, model, stepping, level, clflush, cache_kb, phys_bits, virt_bits;
	char flags[2048];
	uint64_t tsc;   /* at start */
	int64_t at_ns;
} cpu;

static bool cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
	return __get_cpuid_count(leaf, subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]);
}

static void put_flags(const struct flag_word *w)
{
	uint32_t r[4];

	if (!cpuid(w->leaf, w->subleaf, r))
		return;
	for (int bit = 0; bit < 32; bit++) {
		if (!w->names[bit] || !(r[w->reg] >> bit & 1))
			continue;
		if (cpu.flags[0])
			strncat(cpu.flags, " ", sizeof(cpu.flags) - strlen(cpu.flags) - 1);
		strncat(cpu.flags, w->names[bit], sizeof(cpu.flags) - strlen(cpu.flags) - 1);
	}
}

static void read_names(void)
{
	uint32_t r[4];
	char *at;

	if (cpuid(0, 0, r)) {
		cpu.level = r[EAX];
		memcpy(cpu.vendor, &r[EBX], 4);
		memcpy(cpu.vendor + 4, &r[EDX], 4);
		memcpy(cpu.vendor + 8, &r[ECX], 4);
	}
	for (uint32_t i = 0; i < 3; i++)
		if (cpuid(0x80000002 + i, 0, r))
			memcpy(cpu.model_name + 16 * i, r, 16);
	at = cpu.model_name + strspn(cpu.model_name, " ");
	memmove(cpu.model_name, at, strlen(at) + 1);
	if (!cpu.model_name[0])
		memcpy(cpu.model_name, "unknown", 8);
}

static void read_version(void)
{
	uint32_t r[4];

	if (cpuid(1, 0, r)) {
		cpu.stepping = r[EAX] & 15;
		cpu.model = r[EAX] >> 4 & 15;
		cpu.family = r[EAX] >> 8 & 15;
		if (cpu.family == 15)
			cpu.family += r[EAX] >> 20 & 0xff;
		if (cpu.family >= 6)
			cpu.model += (r[EAX] >> 16 & 15) << 4;
		cpu.clflush = (r[EBX] >> 8 & 0xff) * 8;
	}
	if (cpuid(0x80000008, 0, r)) {
		cpu.phys_bits = r[EAX] & 0xff;
		cpu.virt_bits = r[EAX] >> 8 & 0xff;
	}
}

/* The size of the largest cache: leaf 4 (Intel), or 0x8000001d (AMD), which look alike. */
static void read_cache(uint32_t leaf)
{
	uint32_t r[4];

	for (uint32_t i = 0; i < 8 && cpuid(leaf, i, r) && (r[EAX] & 31); i++) {
		uint64_t ways = (r[EBX] >> 22) + 1, parts = (r[EBX] >> 12 & 1023) + 1;
		uint64_t size = ways * parts * ((r[EBX] & 4095) + 1) * ((uint64_t)r[ECX] + 1);

		cpu.cache_kb = MAX(cpu.cache_kb, (uint32_t)(size / 1024));
	}
}

void cpuinfo_init(void)
{
	mutex_init(&cpu.lock, LOCK_LEAF);
	cpu.tsc = __rdtsc();
	cpu.at_ns = clock_mono_ns();
}

/* When somebody asks: CPUID is dozens of exits to a hypervisor, 0.2 ms of each start. */
static void cpuinfo_read(void)
{
	mutex_lock(&cpu.lock);
	if (cpu.known)
		goto out;
	read_names();
	read_version();
	read_cache(memcmp(cpu.vendor, "AuthenticAMD", 12) ? 4 : 0x8000001d);
	for (size_t i = 0; i < ARRAY_SIZE(flag_words); i++)
		put_flags(&flag_words[i]);
	cpu.known = true;
out:
	mutex_unlock(&cpu.lock);
}

/* In kHz. */
static uint64_t clock_rate(void)
{
	uint64_t ticks = __rdtsc() - cpu.tsc;
	int64_t us = (clock_mono_ns() - cpu.at_ns) / 1000;

	return us > 0 ? (uint64_t)((unsigned __int128)ticks * 1000 / (uint64_t)us) : 0;
}

void cpuinfo_show(struct buf *b, unsigned int count)
{
	uint64_t khz = clock_rate();

	cpuinfo_read();
	for (unsigned int i = 0; i < count; i++) {
		buf_printf(b, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", i,
			   cpu.vendor, cpu.family, cpu.model);
		buf_printf(b, "model name\t: %s\nstepping\t: %u\n", cpu.model_name, cpu.stepping);
		buf_printf(b, "cpu MHz\t\t: %llu.%03llu\n", (unsigned long long)(khz / 1000),
			   (unsigned long long)(khz % 1000));
		if (cpu.cache_kb)
			buf_printf(b, "cache size\t: %u KB\n", cpu.cache_kb);
		buf_printf(b,
			   "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n"
			   "apicid\t\t: %u\ninitial apicid\t: %u\n",
			   count, i, count, i, i);
		buf_printf(b, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n",
			   cpu.level);
		buf_printf(b, "flags\t\t: %s\nbugs\t\t:\nbogomips\t: %llu.%02llu\n", cpu.flags,
			   (unsigned long long)(khz * 2 / 1000),
			   (unsigned long long)(khz * 2 / 10 % 100));
		buf_printf(b, "clflush size\t: %u\ncache_alignment\t: %u\n", cpu.clflush, cpu.clflush);
		buf_printf(b, "address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n",
			   cpu.phys_bits, cpu.virt_bits);
	}
}
