/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_callsite.c: the length decoder against Zydis, and plans for every `syscall` instruction of the
 * programs that this machine has.
 */
#include "tests/unit/unit.h"

#include <Zydis/Zydis.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/arch/x86_64/callsite.h"
#include "platform/arch/x86_64/insn.h"

struct object {
	const uint8_t *file;
	size_t size;
};

static bool object_open(struct object *o, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	o->size = (size_t)st.st_size;
	o->file = mmap(NULL, o->size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return o->file != MAP_FAILED && o->size > sizeof(Elf64_Ehdr) &&
	       memcmp(o->file, ELFMAG, 4) == 0;
}

/* The n-th executable section; false: none. */
static bool section(const struct object *o, unsigned int n, uint64_t *addr, const uint8_t **code, size_t *size)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)o->file;
	const Elf64_Shdr *s = (const Elf64_Shdr *)(o->file + e->e_shoff);

	for (unsigned int i = 0; i < e->e_shnum; i++) {
		if (s[i].sh_type != SHT_PROGBITS || !(s[i].sh_flags & SHF_EXECINSTR) || n-- > 0)
			continue;
		*addr = s[i].sh_addr;
		*code = o->file + s[i].sh_offset;
		*size = s[i].sh_size;
		return true;
	}
	return false;
}

static ZydisDecoder decoder;

static int zydis(const uint8_t *code, size_t size, ZydisDecodedInstruction *z)
{
	static ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, size, z, operands)) ? z->length : 0;
}

static void agrees_with_zydis(const uint8_t *code, size_t size, bool *known)
{
	ZydisDecodedInstruction z;
	struct insn i;
	int ours = insn_decode(code, size, &i), theirs = zydis(code, size, &z);

	*known = ours != 0;
	if (ours == 0 || theirs == 0 || z.meta.isa_set == ZYDIS_ISA_SET_KNCJKBR ||
	    z.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX)
		return;
	if (ours != theirs) {
		for (int n = 0; n < 15; n++)
			print_error("%02x ", code[n]);
		fail_msg("%s: %d bytes, not %d", ZydisMnemonicGetString(z.mnemonic), theirs, ours);
	}
	/* What is relative to RIP is seen. */
	if ((z.attributes & ZYDIS_ATTRIB_IS_RELATIVE) && i.kind != INSN_JCC && i.kind != INSN_JMP &&
	    i.kind != INSN_PINNED)
		assert_true(i.disp_at != 0 && z.raw.disp.offset == i.disp_at);
	if (i.disp_at)
		assert_true(z.attributes & ZYDIS_ATTRIB_IS_RELATIVE);
	if (z.meta.category == ZYDIS_CATEGORY_CALL)
		assert_int_equal(i.kind, INSN_PINNED);
	if (z.mnemonic == ZYDIS_MNEMONIC_SYSCALL)
		assert_int_equal(i.kind, INSN_SYSCALL);
}

static const char *const objects[] = {
	"/lib/x86_64-linux-gnu/libc.so.6",
	"/lib64/ld-linux-x86-64.so.2",
	"/bin/busybox",
	"/usr/sbin/runc",
	"/usr/lib/go-1.19/bin/go",
	"/usr/bin/gcc-12",
	"/usr/bin/python3",
	"/lib/ld-musl-x86_64.so.1",
};

static void lengths_are_those_of_zydis(void **state)
{
	const uint8_t *code;
	struct object o;
	uint64_t addr;
	size_t size;
	bool known;

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(objects); n++) {
		size_t total = 0, unknown = 0;

		if (!object_open(&o, objects[n]))
			continue;
		for (unsigned int s = 0; section(&o, s, &addr, &code, &size); s++) {
			size = MIN(size, 800000ul);
			/* Also from the middle of instructions: whatever bytes there are. */
			for (size_t at = 0; at < size; at += 1 + at % 3) {
				agrees_with_zydis(code + at, size - at, &known);
				total++;
				unknown += !known;
			}
		}
		print_message("%s: %zu of %zu not known\n", objects[n], unknown, total);
	}
}

static void invented_bytes_decode_as_in_zydis(void **state)
{
	uint8_t code[16];
	uint32_t x = 12345;
	bool known;

	(void)state;
	for (int round = 0; round < 300000; round++) {
		for (size_t n = 0; n < sizeof(code); n++) {
			x = x * 1664525u + 1013904223u;
			code[n] = (uint8_t)(x >> 24);
		}
		agrees_with_zydis(code, sizeof(code), &known);
	}
}

/* ---- plans ------------------------------------------------------------------------------------ */

/* Every instruction of the trampoline, decoded by Zydis, is what the window says at another place. */
static void check_trampoline(const struct callsite *c, uint64_t addr, uint64_t at)
{
	ZydisDecodedOperand was_op[ZYDIS_MAX_OPERAND_COUNT], is_op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction was, is;
	uint8_t code[CALLSITE_CODE], jump[CALLSITE_JMP];
	struct trampoline t;
	bool after;

	assert_true(callsite_emit(c, addr, at, 0x7ffb60100100, code, &t));
	assert_true(callsite_jump(c, addr, at, jump));
	for (size_t n = 0; n < c->count; n++) {
		uint64_t from = addr + c->at[n], to = at + t.insn[n], x, y;

		assert_int_equal(callsite_to_app(c, &t, addr, t.insn[n], &after), from);
		assert_int_equal(callsite_to_trampoline(c, &t, c->at[n]), t.insn[n]);
		if (c->at[n] == c->syscall)
			continue;
		assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, c->bytes + c->at[n],
								(size_t)(c->size - c->at[n]), &was,
								was_op)));
		assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + t.insn[n],
								sizeof(code) - t.insn[n], &is, is_op)));
		assert_int_equal(was.mnemonic, is.mnemonic);
		assert_int_equal(was.operand_count_visible, is.operand_count_visible);
		for (int op = 0; op < was.operand_count_visible; op++) {
			if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&was, &was_op[op], from, &x))) {
				assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&is, &is_op[op], to, &y)));
				assert_int_equal(x, y);
			}
		}
	}
	assert_int_equal(callsite_to_app(c, &t, addr, t.resume, &after), addr + c->syscall + 2);
	assert_true(after);
}

static size_t plan_all(const char *path, size_t *sites, size_t *ahead)
{
	struct object o;
	const uint8_t *code;
	uint64_t addr, arena;
	size_t size, planned = 0;
	struct callsite c;

	*sites = *ahead = 0;
	if (!object_open(&o, path))
		return 0;
	for (unsigned int s = 0; section(&o, s, &addr, &code, &size); s++) {
		for (size_t at = 0, length; at < size; at += length) {
			ZydisDecodedInstruction z;
			enum callsite_refusal r;

			length = (size_t)zydis(code + at, size - at, &z);
			if (length == 0) {
				length = 1;
				continue;
			}
			if (z.mnemonic != ZYDIS_MNEMONIC_SYSCALL)
				continue;
			++*sites;
			r = callsite_plan(code, size, at, &c);
			if (r != CALLSITE_OK) {
				print_message("%s+%#zx: refused (%d)\n", path, addr + at, r);
				continue;
			}
			planned++;
			*ahead += c.syscall == 0;
			/* Anything within 16 MB at the right distance has a place. */
			arena = callsite_place(&c, addr + at - c.syscall + 0x10000000, 0x10000000 + addr + at -
					       0x6000000, 0x10000000 + addr + at - 0x5000000);
			assert_true(arena != 0);
			check_trampoline(&c, addr + at - c.syscall + 0x10000000, arena);
		}
	}
	return planned;
}

static void every_site_of_the_systems_libraries_has_a_plan(void **state)
{
	size_t sites, ahead, planned;

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(objects); n++) {
		planned = plan_all(objects[n], &sites, &ahead);
		if (sites == 0)
			continue;
		print_message("%s: %zu sites, %zu planned (%zu by what follows)\n", objects[n], sites,
			      planned, ahead);
		assert_true(planned * 100 >= sites * 97);
	}
}

static int setup(void **state)
{
	(void)state;
	return ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ? 0
													 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_are_those_of_zydis),
		cmocka_unit_test(invented_bytes_decode_as_in_zydis),
		cmocka_unit_test(every_site_of_the_systems_libraries_has_a_plan),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
