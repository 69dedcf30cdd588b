/* SPDX-License-Identifier: Apache-2.0 */
/* fpstate.c (x86-64): see fpstate.h; the layout is Intel's SDM, volume 1, chapter 13. */
#include "platform/arch/x86_64/fpstate.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#define MAGIC1 0x46505853u
#define MAGIC2 0x46505845u

enum {
	LEGACY_SIZE = 512,
	MXCSR_AT = 24,
	SW_AT = 464,
	HEADER_AT = LEGACY_SIZE,
	HEADER_SIZE = 64,
	XFEATURE_FP_SSE = 3,
};

#define XFEATURES_ON_REQUEST (3ull << 17)

/* The kernel's software bytes (struct _fpx_sw_bytes). */
struct sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size;
	uint32_t pad[7];
};
_Static_assert(sizeof(struct sw_bytes) == 48, "fills the legacy area");

void fpstate_info_from(const uint8_t legacy[LEGACY_SIZE], struct fpstate_info *info)
{
	struct sw_bytes sw;

	memcpy(&sw, legacy + SW_AT, sizeof(sw));
	memcpy(&info->mxcsr_mask, legacy + MXCSR_AT + 4, 4);
	if (info->mxcsr_mask == 0)
		info->mxcsr_mask = 0xffbf;
	if (sw.magic1 != MAGIC1 || sw.xstate_size < LEGACY_SIZE + HEADER_SIZE ||
	    sw.xstate_size > 16384) {
		info->size = info->xsize = LEGACY_SIZE;
		info->xfeatures = XFEATURE_FP_SSE;
		return;
	}
	info->xsize = sw.xstate_size;
	info->size = sw.xstate_size + 4;
	info->xfeatures = sw.xfeatures;
}

void fpstate_software(const struct fpstate_info *info, uint8_t out[48])
{
	struct sw_bytes sw = {
		.magic1 = MAGIC1,
		.extended_size = (uint32_t)info->size,
		.xfeatures = info->xfeatures,
		.xstate_size = info->xsize,
	};

	memcpy(out, &sw, sizeof(sw));
}

void fpstate_sign(const struct fpstate_info *info, uint8_t *state)
{
	uint32_t magic2 = MAGIC2;

	if (info->size == LEGACY_SIZE)
		return;
	fpstate_software(info, state + SW_AT);
	memcpy(state + info->xsize, &magic2, 4);
}

void fpstate_info_of_regset(const uint8_t *regset, size_t size, struct fpstate_info *info)
{
	uint32_t eax, ebx, ecx, edx, end = LEGACY_SIZE + HEADER_SIZE;

	memset(info, 0, sizeof(*info));
	memcpy(&info->mxcsr_mask, regset + MXCSR_AT + 4, 4);
	if (info->mxcsr_mask == 0)
		info->mxcsr_mask = 0xffbf;
	memcpy(&info->xfeatures, regset + SW_AT, 8);
	if (size < end || !(info->xfeatures & XFEATURE_FP_SSE)) {
		info->size = info->xsize = LEGACY_SIZE;
		info->xfeatures = XFEATURE_FP_SSE;
		return;
	}
	/* Frames hold AMX's tiles only of programs that asked for them; none can here. */
	info->xfeatures &= ~XFEATURES_ON_REQUEST;
	for (uint32_t i = 2; i < 63; i++) {
		if (!(info->xfeatures & (1ull << i)))
			continue;
		__cpuid_count(0xd, i, eax, ebx, ecx, edx);
		end = MAX(end, ebx + eax);
	}
	info->xsize = (uint32_t)MIN((size_t)end, size);
	info->size = info->xsize + 4;
}

void fpstate_init(const struct fpstate_info *info, void *buf, size_t size)
{
	uint8_t state[LEGACY_SIZE + HEADER_SIZE] = { 0 };
	struct sw_bytes sw = {
		.magic1 = MAGIC1,
		.extended_size = (uint32_t)info->size,
		.xfeatures = info->xfeatures,
		.xstate_size = info->xsize,
	};
	uint32_t mxcsr = 0x1f80, magic2 = MAGIC2;
	uint16_t fcw = 0x37f;

	memcpy(state, &fcw, 2);
	memcpy(state + MXCSR_AT, &mxcsr, 4);
	memcpy(state + MXCSR_AT + 4, &info->mxcsr_mask, 4);
	if (info->size > LEGACY_SIZE)
		memcpy(state + SW_AT, &sw, sizeof(sw));
	memset(buf, 0, size);
	if (size > info->size)
		size = info->size;
	memcpy(buf, state, MIN(size, sizeof(state)));
	if (info->size > LEGACY_SIZE && size >= info->size)
		memcpy((uint8_t *)buf + info->xsize, &magic2, 4);
}

int fpstate_check(const struct fpstate_info *info, const void *in, size_t size, void *out)
{
	uint8_t *state = out;
	struct sw_bytes sw;
	uint64_t header[8];
	uint32_t mxcsr;

	if (size < LEGACY_SIZE)
		return -EINVAL;
	memset(out, 0, info->size);
	memcpy(out, in, MIN(size, (size_t)info->xsize));
	memcpy(&sw, state + SW_AT, sizeof(sw));
	memcpy(&mxcsr, state + MXCSR_AT, 4);
	if (mxcsr & ~info->mxcsr_mask)
		return -EINVAL;
	memcpy(state + MXCSR_AT + 4, &info->mxcsr_mask, 4);
	if (info->size == LEGACY_SIZE)
		return 0;
	memset(header, 0, sizeof(header));
	if (sw.magic1 == MAGIC1 && size >= info->xsize && sw.xstate_size <= info->xsize)
		memcpy(header, state + HEADER_AT, sizeof(header));
	else
		header[0] = XFEATURE_FP_SSE;
	if (header[1] != 0 || (header[0] & ~info->xfeatures))
		return -EINVAL;
	memset(header + 2, 0, sizeof(header) - 16);
	memcpy(state + HEADER_AT, header, sizeof(header));
	fpstate_sign(info, state);
	return 0;
}
