# SPDX-License-Identifier: Apache-2.0
"""sys_trace.c: the calls as --strace shows them (types in sentry/trace/trace_table.h)."""

from emit_calls import HEAD
from emit_marshal import KINDS, size_source

SIMPLE = {
    "fd": "INT", "pid": "INT", "int": "INT", "uint": "UINT", "uid": "INT", "gid": "INT",
    "long": "LONG", "off": "LONG", "ulong": "ULONG", "size": "ULONG", "hex": "HEX", "mode": "MODE",
    "dev": "DEV", "dirfd": "DIRFD", "sig": "SIG", "clock": "SET32",
    "flags": "SET32", "uflags": "SET32", "enum": "SET32", "uenum": "SET32",
    "lflags": "SET64", "lenum": "SET64",
    "ptr": "PTR", "strv": "STRV", "path": "STRING", "str": "STRING",
    "data": "TEXT", "buf": "TEXT", "sockaddr": "SOCKADDR", "iov": "STRUCT",
}  # fmt: skip
RESULTS = {"size": "SIZE", "count": "COUNT", "addr": "ADDR", "mode": "MODE", "none": "NONE"}


def sets(tables):
    out = ""
    for s in tables.sets.values():
        out += f"static const struct trace_value values_{s.name}[] = {{\n"
        # A value that includes another's bits must be tried first; the sort is stable.
        flags = sorted(s.values, key=lambda v: -bin(v[1] & ~s.mask & 0xFFFFFFFF).count("1"))
        out += "".join(f'\t{{ "{n}", {v:#x} }},\n' for n, v in flags)
        out += "\t{ NULL, 0 },\n};\n"
        out += (
            f"const struct trace_set trace_set_{s.name} = {{ values_{s.name}, {len(s.values)},"
            f" {s.mask:#x} }};\n\n"
        )
    return out


def argument(call, i, arg, tables):
    kind = SIMPLE.get(arg.kind, "STRUCT")
    chosen = "clockid" if arg.kind == "clock" else arg.param if kind.startswith("SET") else ""
    the_set = f"&trace_set_{chosen}" if chosen else "NULL"
    element, size, direction, extent = "NULL", 0, "0", "{ 0 }"
    if arg.direction:
        e = arg.extent
        direction = "MARSHAL_IN" if arg.direction == "string" else KINDS[arg.direction]
        extent = f"{{ {i}, {KINDS[arg.direction]}, {size_source(call, arg)}, 0, {e.unit} }}"
        if kind == "STRUCT" and e.struct:
            element, size = f'"{e.struct}"', tables.structs[e.struct]
        elif kind == "STRUCT":
            kind = "PTR"
    return f'\t{{ "{arg.name}", {the_set}, {element}, TRACE_{kind}, {direction}, {size}, {extent} }},\n'


def trace(tables):
    out = HEAD + "#include <stddef.h>\n\n#include \"sentry/trace/trace_table.h\"\n\n"
    # Sets that only others refer to are declared in trace_table.h; all are visible, for tests.
    out += "".join(f"extern const struct trace_set trace_set_{s};\n" for s in tables.sets) + "\n"
    out += sets(tables)
    rows = [(r, tables.calls[r.name]) for r in tables.rows if r.name in tables.calls]
    for _, call in rows:
        if call.args:
            out += f"static const struct trace_arg args_{call.name}[] = {{\n"
            out += "".join(argument(call, i, a, tables) for i, a in enumerate(call.args)) + "};\n"
    out += f"\nconst struct trace_desc trace_descs[{tables.rows[-1].nr + 1}] = {{\n"
    for row, call in rows:
        args = f"args_{call.name}" if call.args else "NULL"
        result = RESULTS.get(call.result, "INT")
        out += f"\t[{row.nr}] = {{ {args}, {len(call.args)}, TRACE_RESULT_{result} }},\n"
    return out + "};\n"
