# SPDX-License-Identifier: Apache-2.0
"""The tables as Python objects: reading and checking <arch>.tbl, calls.def, structs.def, flags.def.

Every mistake in a table is a TableError that names file and line; nothing is guessed.
"""

import errno
import re
from dataclasses import dataclass, field

SUPPORTS = ("full", "partial", "stub", "refused", "absent")
CLASSES = ("sentry", "native", "local", "regs")
RESULTS = ("zero", "int", "size", "count", "fd", "pid", "uid", "long", "addr", "mode", "none")
PATH_MAX = 4096
SOCKADDR_MAX = 128  # sizeof(struct sockaddr_storage)

# kind: (type of the handler's parameter, narrowing of the register; None: the same type)
SCALARS = {
    "fd": ("int", None),
    "dirfd": ("int", None),
    "pid": ("int", None),
    "sig": ("int", None),
    "clock": ("int", None),
    "int": ("int", None),
    "uint": ("unsigned int", None),
    "dev": ("unsigned int", None),
    "uid": ("uint32_t", None),
    "gid": ("uint32_t", None),
    "mode": ("uint32_t", "uint16_t"),
    "long": ("long", None),
    "ulong": ("unsigned long", None),
    "hex": ("unsigned long", None),
    "size": ("size_t", None),
    "off": ("int64_t", None),
    "flags": ("int", None),
    "uflags": ("unsigned int", None),
    "lflags": ("unsigned long", None),
    "enum": ("int", None),
    "uenum": ("unsigned int", None),
    "lenum": ("unsigned long", None),
}
WITH_SET = ("flags", "uflags", "lflags", "enum", "uenum", "lenum")
POINTERS = ("ptr", "path", "str", "strv", "in", "out", "inout", "data", "buf", "iov", "sockaddr")
# Of a count only the low half is looked at where the handler sees only that.
COUNTS = ("int", "uint", "long", "ulong", "size")


class TableError(Exception):
    pass


@dataclass
class Extent:
    """How many bytes an argument points to: `unit` × 1, an argument, its bits, or what it points to."""

    mode: str  # const, arg, bits, deref
    unit: int
    arg: str = ""
    struct: str = ""  # what one element is, for the trace; "" for bytes


@dataclass
class Arg:
    name: str
    kind: str
    param: str = ""  # set name, or what stands in parentheses
    extent: Extent = None
    direction: str = ""  # in, out, inout, string; "" when not marshalled

    @property
    def is_pointer(self):
        return self.kind in POINTERS

    @property
    def ctype(self):
        return "uaddr_t" if self.is_pointer else SCALARS[self.kind][0]


@dataclass
class Call:
    name: str
    args: list
    result: str
    klass: str = "sentry"

    def index(self, arg_name):
        for i, a in enumerate(self.args):
            if a.name == arg_name:
                return i
        return None


@dataclass
class Row:
    nr: int
    name: str
    support: str
    error: str  # of a refused call
    note: str

    @property
    def has_handler(self):
        return self.support in ("full", "partial", "stub")


@dataclass
class FlagSet:
    name: str
    mask: int  # bits that hold one value; all others are flags
    values: list = field(default_factory=list)  # (constant, value)


@dataclass
class Tables:
    arch: str
    rows: list
    calls: dict
    structs: dict
    sets: dict


def split_row(line):
    """Split at blanks that are not inside parentheses."""
    words, depth, word = [], 0, ""
    for c in line:
        depth += {"(": 1, ")": -1}.get(c, 0)
        if c.isspace() and depth == 0:
            if word:
                words.append(word)
            word = ""
        else:
            word += c
    if word:
        words.append(word)
    if depth != 0:
        raise TableError("unbalanced parentheses")
    return words


def read_lines(path):
    """(place, text) of every line that is not empty or a comment."""
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            text = line.strip()
            if text and not text.startswith("#"):
                yield f"{path}:{n}", text


def read_structs(path, arch):
    structs = {}
    for place, text in read_lines(path):
        m = re.fullmatch(r"((?:struct )?\w+)\s+(\d+)(?:\s+(\w+))?", text)
        if not m:
            raise TableError(f"{place}: expected: name size [arch]")
        name, size, only = m[1], int(m[2]), m[3]
        if only and only != arch:
            continue
        if name in structs and not only:
            raise TableError(f"{place}: {name} stands here twice")
        structs[name] = size
    return structs


def read_sets(path):
    sets, current = {}, None
    for place, text in read_lines(path):
        words = text.split()
        if words[0] == "set":
            m = re.fullmatch(r"set\s+(\w+)(?:\s+mask=(\w+))?", text)
            if not m or m[1] in sets:
                raise TableError(f"{place}: expected: set NAME [mask=BITS], each name once")
            current = FlagSet(m[1], int(m[2] or "0", 0))
            sets[m[1]] = current
            continue
        if current is None or len(words) != 2 or not re.fullmatch(r"[A-Za-z_]\w*", words[0]):
            raise TableError(f"{place}: expected: CONSTANT VALUE below a `set` line")
        try:
            value = int(words[1], 0)
        except ValueError:
            raise TableError(f"{place}: {words[1]} is not a number") from None
        current.values.append((words[0], value))
    return sets


def parse_extent(text, structs):
    """What stands in the parentheses of in(), out(), inout()."""
    m = re.fullmatch(r"((?:struct )?[a-z]\w*)(?:\[(\d+)\])?", text)
    if m and m[1] in structs:
        count = int(m[2] or 1)
        return Extent("const", structs[m[1]] * count, struct=m[1])
    if m and m[1].startswith("struct "):
        raise TableError(f"{m[1]} is not in structs.def")
    m = re.fullmatch(r"bits\((\w+)\)", text)
    if m:
        return Extent("bits", 8, m[1])
    m = re.fullmatch(r"\*(\w+)", text)
    if m:
        return Extent("deref", 1, m[1])
    m = re.fullmatch(r"(\w+)(?:\*((?:struct )?\w+))?", text)
    if not m:
        raise TableError(f"can't read the size `{text}`")
    if m[2] and m[2] not in structs:
        raise TableError(f"{m[2]} is not in structs.def")
    return Extent("arg", structs[m[2]] if m[2] else 1, m[1], m[2] or "")


def parse_arg(word, structs, sets):
    m = re.fullmatch(r"([a-z]\w*):(\w+)(?:\((.*)\))?", word)
    if not m:
        raise TableError(f"`{word}` is not name:kind or name:kind(…)")
    a = Arg(m[1], m[2], m[3] or "")
    if a.kind not in SCALARS and a.kind not in POINTERS:
        raise TableError(f"unknown kind `{a.kind}`")
    if a.kind in WITH_SET:
        if a.param not in sets:
            raise TableError(f"flags.def has no set `{a.param}`")
        return a
    if a.kind in ("str", "in", "out", "inout", "data", "buf", "iov", "sockaddr"):
        if not a.param:
            raise TableError(f"`{a.kind}` needs parentheses")
    elif a.param:
        raise TableError(f"`{a.kind}` takes no parentheses")
    if a.kind in ("path", "str"):
        a.direction = "string"
        a.extent = Extent("const", int(a.param) if a.kind == "str" else PATH_MAX)
    elif a.kind in ("in", "out", "inout"):
        a.direction = a.kind
        a.extent = parse_extent(a.param, structs)
    elif a.kind in ("data", "buf"):
        a.direction = "in" if a.kind == "data" else "out"
        a.extent = Extent("arg", 1, a.param)
    elif a.kind == "iov":
        a.direction = "in"
        a.extent = Extent("arg", structs["struct iovec"], a.param, "struct iovec")
    elif a.kind == "sockaddr":
        out = a.param.startswith("*")
        a.direction = "out" if out else "in"
        a.extent = Extent("deref" if out else "arg", 1, a.param.lstrip("*"))
    return a


def check_extents(call):
    """The argument that tells a size must be there, and be a count (or point to one)."""
    for a in call.args:
        e = a.extent
        if e is None or e.mode == "const":
            continue
        i = call.index(e.arg)
        if i is None:
            raise TableError(f"{a.name}: there is no argument `{e.arg}`")
        of = call.args[i]
        if e.mode == "deref":
            if of.direction != "inout" or of.extent.unit != 4:
                raise TableError(f"{a.name}: `{e.arg}` must be inout(int)")
        elif of.kind not in COUNTS:
            raise TableError(f"{a.name}: `{e.arg}` is a {of.kind}, not a count")


def parse_call(text, structs, sets):
    words = split_row(text)
    call = Call(words[0], [], "")
    if not re.fullmatch(r"[a-z_]\w*", call.name):
        raise TableError(f"`{call.name}` is not a name")
    for w in words[1:]:
        if w.startswith("@"):
            if w[1:] not in CLASSES[1:] or not call.result:
                raise TableError(f"`{w}`: a class (@native, @local, @regs) stands last")
            call.klass = w[1:]
        elif ":" in w:
            if call.result:
                raise TableError(f"`{w}` stands after the result")
            call.args.append(parse_arg(w, structs, sets))
        elif call.result or w not in RESULTS:
            raise TableError(f"`{w}` is not a result ({' '.join(RESULTS)})")
        else:
            call.result = w
    if not call.result:
        raise TableError("no result")
    if len(call.args) > 6:
        raise TableError("more than six arguments")
    if len({a.name for a in call.args}) != len(call.args):
        raise TableError("two arguments of one name")
    check_extents(call)
    return call


def read_calls(path, structs, sets):
    calls = {}
    for place, text in read_lines(path):
        try:
            call = parse_call(text, structs, sets)
        except TableError as e:
            raise TableError(f"{place}: {text.split()[0]}: {e}") from None
        if call.name in calls:
            raise TableError(f"{place}: {call.name} stands here twice")
        calls[call.name] = call
    return calls


def parse_row(text):
    m = re.fullmatch(r"(\d+)\s+([a-z_]\w*)\s+([a-z]+)(?:\s+(.*))?", text)
    if not m:
        raise TableError("expected: number call support note")
    row = Row(int(m[1]), m[2], m[3], "", m[4] or "")
    if row.support not in SUPPORTS:
        raise TableError(f"support `{row.support}` is none of {' '.join(SUPPORTS)}")
    if row.support == "refused":
        row.error, _, row.note = row.note.partition(" ")
        row.note = row.note.strip()
        if not hasattr(errno, row.error):
            raise TableError(f"`{row.error}` is not an errno")
    if not row.note and row.support != "full":
        raise TableError("every row but a full one needs a note for users")
    if "|" in row.note:
        raise TableError("no | in notes: they become cells of a table")
    return row


def read_rows(path, calls):
    rows, names = [], set()
    for place, text in read_lines(path):
        try:
            row = parse_row(text)
            if rows and row.nr <= rows[-1].nr:
                raise TableError(f"number {row.nr} after {rows[-1].nr}: sorted, each once")
            if row.name in names:
                raise TableError(f"{row.name} stands here twice")
            if row.has_handler and row.name not in calls:
                raise TableError(f"{row.name} has a handler but no row in calls.def")
        except TableError as e:
            raise TableError(f"{place}: {e}") from None
        names.add(row.name)
        rows.append(row)
    return rows


def load(folder, arch="x86_64"):
    structs = read_structs(f"{folder}/structs.def", arch)
    sets = read_sets(f"{folder}/flags.def")
    calls = read_calls(f"{folder}/calls.def", structs, sets)
    rows = read_rows(f"{folder}/{arch}.tbl", calls)
    return Tables(arch, rows, calls, structs, sets)
