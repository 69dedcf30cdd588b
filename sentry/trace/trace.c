/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c: --strace: from a call's table row (trace_table.h) to a line of text.
 *
 * trace_enter() writes each argument that is known at the start into c->text and notes where it
 * stands; what the call will fill in (out, inout) waits for trace_exit(), which puts the line
 * together.  A failed call has filled nothing in: its out arguments are shown as addresses, and its
 * inout ones as they went in.
 *
 * The application can change its memory while we read it.  Each piece is copied once, with a
 * bound of ours on its size, and shown from the copy.
 *
 * No locks: the environment is one atomic pointer to constant data.
 */
#include "sentry/trace/trace.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sentry/sys/names.h"
#include "sentry/trace/trace_impl.h"

#define PATH_SHOWN     128UL /* bytes of a string */
#define TEXT_SHOWN     32  /* bytes of read, write, … */
#define ELEMENTS_SHOWN 8   /* of an array */
#define SOCKADDR_MAX   128UL
#define RESULT_ROOM    64  /* of a line, kept for ") = -1 ENAMETOOLONG <123.456789>\n" */

static _Atomic(const struct trace_env *) trace_env;

void trace_set(const struct trace_env *env)
{
	/* Pairs with the load in current_env(). */
	atomic_store_explicit(&trace_env, env, memory_order_release);
}

static const struct trace_env *current_env(void)
{
	/* Pairs with the store in trace_set(). */
	return atomic_load_explicit(&trace_env, memory_order_acquire);
}

bool trace_enabled(void)
{
	return atomic_load_explicit(&trace_env, memory_order_relaxed) != NULL;
}

/* ---- what an argument points to ---------------------------------------------------------------- */

/* Where a call's memory is read from, and how far it has got. */
struct view {
	struct trace_call *c;
	struct task *t;
	bool ended;
	long result;
	uint8_t result_kind;
};

static bool copy(const struct view *v, uint64_t addr, void *dst, size_t size)
{
	return v->c->env->read(v->t, addr, dst, size) == (ssize_t)size;
}

/* How many bytes the argument's window has, false when that can't be told. */
static bool window_size(const struct view *v, const struct trace_arg *a, uint64_t *size)
{
	const struct marshal_arg *e = &a->extent;
	uint64_t count = v->c->args[e->from & MARSHAL_ARG];
	uint32_t told;
	bool by_argument;

	if (e->from & MARSHAL_DEREF) {
		if (!copy(v, count, &told, sizeof(told)))
			return false;
		count = told;
	}
	*size = marshal_size(e, count);
	by_argument = !(e->from & (MARSHAL_CONST | MARSHAL_DEREF | MARSHAL_BITS));
	if (v->ended && a->direction == MARSHAL_OUT && by_argument && v->result >= 0) {
		if (v->result_kind == TRACE_RESULT_SIZE)
			*size = MIN(*size, (uint64_t)v->result);
		else if (v->result_kind == TRACE_RESULT_COUNT)
			*size = MIN(*size, (uint64_t)v->result * e->unit);
	}
	return true;
}

static void show_address(struct text *t, uint64_t addr)
{
	if (addr)
		text_printf(t, "%#" PRIx64, addr);
	else
		text_puts(t, "NULL");
}

static void show_string(const struct view *v, struct text *t, uint64_t addr, size_t limit)
{
	char s[PATH_SHOWN + 1];
	size_t want = MIN(limit, sizeof(s));
	ssize_t n = v->c->env->read(v->t, addr, s, want);
	size_t length;

	if (n <= 0) {
		show_address(t, addr);
		return;
	}
	length = strnlen(s, (size_t)n);
	if (length == (size_t)n && (size_t)n < want) /* a fault before its end */
		show_address(t, addr);
	else
		text_quote(t, s, MIN(length, PATH_SHOWN), length > PATH_SHOWN);
}

static void show_text(const struct view *v, struct text *t, uint64_t addr, uint64_t size)
{
	char s[TEXT_SHOWN];
	size_t shown = MIN(size, sizeof(s));

	if (shown && !copy(v, addr, s, shown))
		show_address(t, addr);
	else
		text_quote(t, s, shown, size > shown);
}

static void show_strings(const struct view *v, struct text *t, uint64_t addr)
{
	uint64_t s;

	text_putc(t, '[');
	for (size_t i = 0; addr && copy(v, addr + i * sizeof(s), &s, sizeof(s)) && s; i++) {
		text_puts(t, i ? ", " : "");
		if (i == ELEMENTS_SHOWN) {
			text_puts(t, "...");
			break;
		}
		show_string(v, t, s, PATH_SHOWN + 1);
	}
	text_putc(t, ']');
}

static void show_elements(const struct view *v, struct text *t, const struct trace_arg *a,
			  uint64_t addr, uint64_t size)
{
	const struct layout *l = show_layout(a->element);
	uint64_t count = a->element_size ? size / a->element_size : 0;
	bool array = count != 1 || !(a->extent.from & MARSHAL_CONST);
	char element[SHOW_ELEMENT_MAX];

	if (!l || a->element_size > sizeof(element) ||
	    (count && !copy(v, addr, element, a->element_size))) {
		show_address(t, addr);
		return;
	}
	text_puts(t, array ? "[" : "");
	for (uint64_t i = 0; i < count; i++) {
		text_puts(t, i ? ", " : "");
		if (i == ELEMENTS_SHOWN || !copy(v, addr + i * a->element_size, element,
						 a->element_size)) {
			text_puts(t, "...");
			break;
		}
		show_struct(t, l, element);
	}
	text_puts(t, array ? "]" : "");
}

static void show_socket_address(const struct view *v, struct text *t, uint64_t addr, uint64_t size)
{
	char ss[SOCKADDR_MAX];

	size = MIN(size, sizeof(ss));
	if (copy(v, addr, ss, size))
		show_sockaddr(t, ss, size);
	else
		show_address(t, addr);
}

static void show_pointed(const struct view *v, struct text *t, const struct trace_arg *a,
			 uint64_t addr)
{
	uint64_t size;

	if (!addr || !window_size(v, a, &size))
		show_address(t, addr);
	else if (a->kind == TRACE_STRING)
		show_string(v, t, addr, size);
	else if (a->kind == TRACE_TEXT)
		show_text(v, t, addr, size);
	else if (a->kind == TRACE_SOCKADDR)
		show_socket_address(v, t, addr, size);
	else
		show_elements(v, t, a, addr, size);
}

/* ---- arguments --------------------------------------------------------------------------------- */

static bool points(const struct trace_arg *a)
{
	return a->kind == TRACE_STRING || a->kind == TRACE_TEXT || a->kind == TRACE_SOCKADDR ||
	       a->kind == TRACE_STRUCT;
}

/* AT_FDCWD is the one value that a directory's descriptor has beside numbers. */
static void show_dirfd(struct text *t, int32_t fd)
{
	if (fd == -100)
		text_puts(t, "AT_FDCWD");
	else
		text_printf(t, "%" PRId32, fd);
}

static void show_scalar(const struct view *v, struct text *t, const struct trace_arg *a, uint64_t r)
{
	switch ((enum trace_kind)a->kind) {
	case TRACE_INT:
		text_printf(t, "%" PRId32, (int32_t)r);
		break;
	case TRACE_UINT:
		text_printf(t, "%" PRIu32, (uint32_t)r);
		break;
	case TRACE_LONG:
		text_printf(t, "%" PRId64, (int64_t)r);
		break;
	case TRACE_ULONG:
		text_printf(t, "%" PRIu64, r);
		break;
	case TRACE_MODE:
		text_printf(t, "%#o", (unsigned int)(uint16_t)r);
		break;
	case TRACE_DEV:
		text_printf(t, "makedev(%u, %u)", major((uint32_t)r), minor((uint32_t)r));
		break;
	case TRACE_DIRFD:
		show_dirfd(t, (int32_t)r);
		break;
	case TRACE_SIG:
		show_signal(t, (uint32_t)r);
		break;
	case TRACE_SET32:
		show_set(t, a->set, (uint32_t)r);
		break;
	case TRACE_SET64:
		show_set(t, a->set, r);
		break;
	case TRACE_STRV:
		show_strings(v, t, r);
		break;
	case TRACE_HEX:
		text_printf(t, "%#" PRIx64, r);
		break;
	default:
		show_address(t, r);
		break;
	}
}

/* What the argument was when the call started; nothing for what only its end will tell. */
static void show_at_start(const struct view *v, struct text *t, size_t i)
{
	const struct trace_arg *a = &trace_descs[v->c->nr].args[i];
	uint64_t r = v->c->args[i];

	if (!points(a))
		show_scalar(v, t, a, r);
	else if (a->direction != MARSHAL_OUT)
		show_pointed(v, t, a, r);
	v->c->shown[i].size = (uint16_t)(t->used - v->c->shown[i].start);
}

static void show_at_end(const struct view *v, struct text *t, size_t i)
{
	const struct trace_arg *a = &trace_descs[v->c->nr].args[i];
	const struct trace_call *c = v->c;
	bool filled = points(a) && (a->direction & MARSHAL_OUT) && v->result >= 0;

	if (filled)
		show_pointed(v, t, a, c->args[i]);
	else if (a->direction == MARSHAL_OUT && points(a))
		show_address(t, c->args[i]);
	else
		for (size_t k = 0; k < c->shown[i].size; k++)
			text_putc(t, c->text[c->shown[i].start + k]);
}

/* ---- lines ------------------------------------------------------------------------------------- */

static const struct trace_desc *desc_of(uint64_t nr)
{
	return syscall_name(nr) ? &trace_descs[nr] : NULL;
}

static void show_head(const struct view *v, struct text *t)
{
	const char *name = syscall_name(v->c->nr);

	text_printf(t, "[%5d] ", v->c->env->tid(v->t));
	if (name)
		text_printf(t, "%s(", name);
	else
		text_printf(t, "syscall_%#" PRIx64 "(", v->c->nr);
}

static void show_result(struct text *t, uint8_t kind, long result)
{
	text_puts(t, ") = ");
	if (result < 0 && result >= -4095)
		show_error(t, -result);
	else if (kind == TRACE_RESULT_ADDR)
		text_printf(t, "%#lx", (unsigned long)result);
	else if (kind == TRACE_RESULT_MODE)
		text_printf(t, "%#lo", (unsigned long)result);
	else
		text_printf(t, "%ld", result);
}

static void put_line(const struct view *v, struct text *t)
{
	t->capacity = TRACE_LINE_MAX;
	t->used = MIN(t->used, t->capacity - 1);
	text_putc(t, '\n');
	v->c->env->line(v->t, t->data, t->used);
}

/* A call has begun, or (with what to say instead of a result) will not end. */
static void put_start(const struct view *v, const char *end)
{
	char data[TRACE_LINE_MAX];
	struct text t = { data, 0, sizeof(data) - RESULT_ROOM };
	const struct trace_desc *d = desc_of(v->c->nr);

	show_head(v, &t);
	for (size_t i = 0; d && i < d->count; i++) {
		text_puts(&t, i ? ", " : "");
		for (size_t k = 0; k < v->c->shown[i].size; k++)
			text_putc(&t, v->c->text[v->c->shown[i].start + k]);
	}
	t.capacity = sizeof(data);
	text_puts(&t, end);
	put_line(v, &t);
}

void trace_enter(struct trace_call *c, struct task *t, uint64_t nr, const uint64_t args[6])
{
	struct text text = { c->text, 0, sizeof(c->text) };
	struct view v = { .c = c, .t = t };
	const struct trace_desc *d = desc_of(nr);

	c->env = current_env();
	if (!c->env)
		return;
	c->nr = nr;
	memcpy(c->args, args, sizeof(c->args));
	for (size_t i = 0; d && i < d->count; i++) {
		c->shown[i].start = (uint16_t)text.used;
		show_at_start(&v, &text, i);
	}
	if (d && d->result == TRACE_RESULT_NONE)
		put_start(&v, ") = ?");
	else if (c->env->starts)
		put_start(&v, "...");
	c->start_ns = c->env->now_ns ? c->env->now_ns() : 0;
}

void trace_exit(struct trace_call *c, struct task *t, long result)
{
	char data[TRACE_LINE_MAX];
	struct text text = { data, 0, sizeof(data) - RESULT_ROOM };
	struct view v = { .c = c, .t = t, .ended = true, .result = result };
	const struct trace_desc *d;
	int64_t ns;

	if (!c->env)
		return;
	ns = c->env->now_ns ? c->env->now_ns() - c->start_ns : 0;
	d = desc_of(c->nr);
	v.result_kind = d ? d->result : TRACE_RESULT_INT;
	show_head(&v, &text);
	for (size_t i = 0; d && i < d->count; i++) {
		text_puts(&text, i ? ", " : "");
		show_at_end(&v, &text, i);
	}
	text.capacity = sizeof(data);
	show_result(&text, v.result_kind, result);
	if (c->env->now_ns)
		text_printf(&text, " <%lld.%06lld>", ns / NSEC_PER_SEC,
			    ns % NSEC_PER_SEC / NSEC_PER_USEC);
	put_line(&v, &text);
}
