/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.c: socket filters in classic BPF (SO_ATTACH_FILTER): checked when attached, interpreted
 * for each packet.  Programs have forward jumps only, so they end.
 */
#include <linux/filter.h>

#include "netstack/transport/ep_impl.h"

struct bpf_prog {
	struct ref ref;
	size_t count;
	struct sock_filter insns[];
};

static bool filter_ld_ok(const struct sock_filter *f)
{
	uint16_t size = BPF_SIZE(f->code), mode = BPF_MODE(f->code);

	if (BPF_CLASS(f->code) == BPF_LDX)
		return size == BPF_W ? mode == BPF_IMM || mode == BPF_MEM || mode == BPF_LEN :
				       size == BPF_B && mode == BPF_MSH;
	if (mode == BPF_IMM || mode == BPF_MEM || mode == BPF_LEN)
		return size == BPF_W;
	return (mode == BPF_ABS || mode == BPF_IND) && (size == BPF_W || size == BPF_H || size == BPF_B);
}

static bool filter_alu_ok(const struct sock_filter *f)
{
	uint16_t op = BPF_OP(f->code);

	if (BPF_SRC(f->code) == BPF_K) {
		if ((op == BPF_DIV || op == BPF_MOD) && f->k == 0)
			return false;
		if ((op == BPF_LSH || op == BPF_RSH) && f->k >= 32)
			return false;
	}
	return op <= BPF_XOR;
}

static bool filter_insn_ok(const struct sock_filter *f, size_t pc, size_t count)
{
	size_t left = count - pc - 1;

	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
	case BPF_LDX:
		return filter_ld_ok(f) && (BPF_MODE(f->code) != BPF_MEM || f->k < BPF_MEMWORDS);
	case BPF_ST:
	case BPF_STX:
		return (f->code & 0xf8) == 0 && f->k < BPF_MEMWORDS;
	case BPF_ALU:
		return filter_alu_ok(f);
	case BPF_JMP:
		if (BPF_OP(f->code) == BPF_JA)
			return f->k < left;
		return BPF_OP(f->code) <= BPF_JSET && f->jt < left && f->jf < left;
	case BPF_RET:
		return BPF_RVAL(f->code) == BPF_K || BPF_RVAL(f->code) == BPF_A;
	case BPF_MISC:
		return BPF_MISCOP(f->code) == BPF_TAX || BPF_MISCOP(f->code) == BPF_TXA;
	default:
		return false;
	}
}

int filter_attach(struct ep *e, const void *insns, size_t count)
{
	struct bpf_prog *p, *old;

	if (e->lock_filter)
		return -EPERM;
	if (count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	p = mem_alloc(sizeof(*p) + count * sizeof(p->insns[0]));
	if (!p)
		return -ENOMEM;
	ref_init(&p->ref);
	p->count = count;
	memcpy(p->insns, insns, count * sizeof(p->insns[0]));
	for (size_t i = 0; i < count; i++)
		if (!filter_insn_ok(&p->insns[i], i, count))
			goto bad;
	if (BPF_CLASS(p->insns[count - 1].code) != BPF_RET)
		goto bad;
	latch_lock(&e->filter_latch);
	old = atomic_exchange(&e->filter, p);
	latch_unlock(&e->filter_latch);
	filter_put(old);
	return 0;
bad:
	mem_free(p);
	return -EINVAL;
}

int filter_detach(struct ep *e)
{
	struct bpf_prog *old;

	if (e->lock_filter)
		return -EPERM;
	latch_lock(&e->filter_latch);
	old = atomic_exchange(&e->filter, NULL);
	latch_unlock(&e->filter_latch);
	filter_put(old);
	return old ? 0 : -ENOENT;
}

void filter_put(struct bpf_prog *p)
{
	if (p && ref_put(&p->ref))
		mem_free(p);
}

/* What the program sees: bytes from base to the end of the packet. */
struct bpf_view {
	const struct pkt *p;
	ptrdiff_t shift; /* base - p->data; negative when base lies in what was pulled */
	uint32_t len;
};

static bool view_bytes(const struct bpf_view *v, uint32_t off, unsigned int n, uint8_t *out)
{
	if (off > v->len || v->len - off < n)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		ptrdiff_t at = v->shift + (ptrdiff_t)off + i;

		if (at < (ptrdiff_t)v->p->head_len)
			out[i] = v->p->data[at];
		else
			pkt_copy(v->p, (size_t)at, &out[i], 1);
	}
	return true;
}

static bool view_ancillary(const struct bpf_view *v, uint32_t k, uint32_t *out)
{
	const struct pkt *p = v->p;

	switch (k - (uint32_t)SKF_AD_OFF) {
	case SKF_AD_PROTOCOL:
		*out = p->ethertype;
		return true;
	case SKF_AD_PKTTYPE:
		*out = p->flags & PKT_BROADCAST ? 1 : p->flags & PKT_MULTICAST ? 2 : 0;
		return true;
	case SKF_AD_IFINDEX:
		*out = p->nic ? p->nic->ifindex : 0;
		return true;
	case SKF_AD_MARK:
		*out = p->mark;
		return true;
	case SKF_AD_HATYPE:
		*out = p->nic && p->nic->type == LINK_LOOPBACK ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
		return true;
	case SKF_AD_RXHASH:
	case SKF_AD_CPU:
	case SKF_AD_QUEUE:
	case SKF_AD_VLAN_TAG:
	case SKF_AD_VLAN_TAG_PRESENT:
		*out = 0;
		return true;
	default:
		return false;
	}
}

static bool view_load(const struct bpf_view *v, uint32_t off, uint16_t size, uint32_t *out)
{
	unsigned int n = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
	uint8_t b[4];

	if (off >= (uint32_t)SKF_AD_OFF)
		return view_ancillary(v, off, out);
	if (off >= (uint32_t)SKF_LL_OFF) { /* SKF_NET_OFF and SKF_LL_OFF: from those headers */
		bool net = off < (uint32_t)SKF_AD_OFF && off >= (uint32_t)SKF_NET_OFF;
		uint32_t rel = off - (uint32_t)(net ? SKF_NET_OFF : SKF_LL_OFF);
		const uint8_t *from = net ? v->p->net : v->p->link;
		ptrdiff_t shift = from - v->p->data;
		struct bpf_view w = { v->p, shift, (uint32_t)((ptrdiff_t)v->p->len - shift) };

		if (!view_bytes(&w, rel, n, b))
			return false;
	} else if (!view_bytes(v, off, n, b)) {
		return false;
	}
	*out = n == 4 ? rd32(b) : n == 2 ? rd16(b) : b[0];
	return true;
}

static uint32_t alu(uint16_t op, uint32_t a, uint32_t b, bool *stop)
{
	switch (op) {
	case BPF_ADD: return a + b;
	case BPF_SUB: return a - b;
	case BPF_MUL: return a * b;
	case BPF_OR: return a | b;
	case BPF_AND: return a & b;
	case BPF_XOR: return a ^ b;
	case BPF_LSH: return b < 32 ? a << b : 0;
	case BPF_RSH: return b < 32 ? a >> b : 0;
	case BPF_NEG: return 0 - a;
	case BPF_DIV:
	case BPF_MOD:
		if (b == 0) {
			*stop = true;
			return 0;
		}
		return op == BPF_DIV ? a / b : a % b;
	default:
		*stop = true;
		return 0;
	}
}

static bool jump(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_JEQ: return a == b;
	case BPF_JGT: return a > b;
	case BPF_JGE: return a >= b;
	default: return a & b;
	}
}

static uint32_t bpf_run(const struct bpf_prog *prog, const struct bpf_view *v)
{
	uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };
	bool stop = false;

	for (size_t pc = 0; pc < prog->count; pc++) {
		const struct sock_filter *f = &prog->insns[pc];
		uint32_t src = BPF_SRC(f->code) == BPF_X ? x : f->k;
		uint8_t b;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (BPF_MODE(f->code) == BPF_IMM)
				a = f->k;
			else if (BPF_MODE(f->code) == BPF_LEN)
				a = v->len;
			else if (BPF_MODE(f->code) == BPF_MEM)
				a = mem[f->k];
			else if (!view_load(v, f->k + (BPF_MODE(f->code) == BPF_IND ? x : 0),
					    BPF_SIZE(f->code), &a))
				return 0;
			break;
		case BPF_LDX:
			if (BPF_MODE(f->code) == BPF_IMM)
				x = f->k;
			else if (BPF_MODE(f->code) == BPF_LEN)
				x = v->len;
			else if (BPF_MODE(f->code) == BPF_MEM)
				x = mem[f->k];
			else if (!view_bytes(v, f->k, 1, &b))
				return 0;
			else
				x = (b & 15U) * 4U;
			break;
		case BPF_ST:
			mem[f->k] = a;
			break;
		case BPF_STX:
			mem[f->k] = x;
			break;
		case BPF_ALU:
			a = alu(BPF_OP(f->code), a, src, &stop);
			if (stop)
				return 0;
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				pc += f->k;
			else
				pc += jump(BPF_OP(f->code), a, src) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
		}
	}
	return 0;
}

uint32_t filter_run(struct ep *e, struct pkt *p, const uint8_t *base)
{
	struct bpf_view v = { p, base - p->data, 0 };
	struct bpf_prog *prog;
	uint32_t keep;

	if (likely(!atomic_load_explicit(&e->filter, memory_order_relaxed)))
		return UINT32_MAX;
	latch_lock(&e->filter_latch);
	prog = atomic_load(&e->filter);
	if (prog)
		ref_get(&prog->ref);
	latch_unlock(&e->filter_latch);
	if (!prog)
		return UINT32_MAX;
	v.len = (uint32_t)((ptrdiff_t)p->len - v.shift);
	keep = bpf_run(prog, &v);
	filter_put(prog);
	return keep;
}
