# SPDX-License-Identifier: Apache-2.0
"""stub_marshal.h: which arguments the stub copies, how long they are, and who answers a call."""

from emit_calls import HEAD

KINDS = {"in": "MARSHAL_IN", "out": "MARSHAL_OUT", "inout": "MARSHAL_INOUT", "string": "MARSHAL_STRING"}


def size_source(call, arg):
    e = arg.extent
    if e.mode == "const":
        return "MARSHAL_CONST"
    i = call.index(e.arg)
    of = call.args[i]
    bits = [str(i)]
    if e.mode == "deref":
        bits.append("MARSHAL_DEREF")
    elif of.kind in ("int", "uint"):
        bits.append("MARSHAL_LOW32")
    if e.mode == "bits":
        bits.append("MARSHAL_BITS")
    return " | ".join(bits)


def windows(call):
    """The call's entries; those that tell another's size (deref) come first."""
    tellers = {a.extent.arg for a in call.args if a.extent and a.extent.mode == "deref"}
    args = [(i, a) for i, a in enumerate(call.args) if a.direction]
    args.sort(key=lambda x: x[1].name not in tellers)
    return tuple(
        f"{{ {i}, {KINDS[a.direction]}, {size_source(call, a)}, 0, {a.extent.unit} }}" for i, a in args
    )


def marshal(tables):
    entries, starts = [], {}
    rows = []
    for row in tables.rows:
        call = tables.calls.get(row.name)
        if call is None or row.support == "refused":
            continue
        w = windows(call)
        if w and w not in starts:
            starts[w] = len(entries)
            entries.extend(w)
        if w or call.klass != "sentry":
            first = starts.get(w, 0)
            rows.append(f"\t[{row.nr}] = {{ {first}, {len(w)}, MARSHAL_{call.klass.upper()} }}, /* {row.name} */\n")
    out = HEAD + (
        "/* Include in one file only.  A number beyond marshal_calls is the Sentry's, without windows. */\n"
        '#pragma once\n\n#include "syscall-tables/marshal.h"\n\n'
        "static const struct marshal_arg marshal_args[] = {\n"
    )
    for i, e in enumerate(entries):
        out += f"\t/* {i} */ {e},\n"
    out += f"}};\n\n#define MARSHAL_CALLS {tables.rows[-1].nr + 1}\n\n"
    out += "static const struct marshal_call marshal_calls[MARSHAL_CALLS] = {\n" + "".join(rows) + "};\n"
    return out
