#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_gen.py: the reader of the system call tables, what is made of them, and the merge driver."""

import contextlib
import io
import os
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
sys.path.insert(0, os.path.join(ROOT, "syscall-tables"))
sys.dont_write_bytecode = True

import emit_calls  # noqa: E402
import emit_docs  # noqa: E402
import emit_marshal  # noqa: E402
import emit_trace  # noqa: E402
import gen  # noqa: E402
import merge  # noqa: E402
import model  # noqa: E402

STRUCTS = {"int": 4, "u64": 8, "struct iovec": 16, "struct pollfd": 8, "struct stat": 144}
SETS = {"open": model.FlagSet("open", 3, [("O_RDONLY", 0), ("O_RDWR", 2), ("O_CREAT", 64)])}


def call(text):
    return model.parse_call(text, STRUCTS, SETS)


def tables(rows, *calls):
    made = [call(c) for c in calls]
    return model.Tables(
        "x86_64", [model.parse_row(r) for r in rows], {c.name: c for c in made}, STRUCTS, SETS
    )


class Reading(unittest.TestCase):
    def refuses(self, words, f, *args):
        with self.assertRaises(model.TableError) as e:
            f(*args)
        self.assertIn(words, str(e.exception))

    def test_row_has_number_name_support_and_note(self):
        r = model.parse_row("293  pipe2  partial   O_DIRECT gives EINVAL.")
        self.assertEqual((r.nr, r.name, r.support), (293, "pipe2", "partial"))
        self.assertEqual(r.note, "O_DIRECT gives EINVAL.")
        self.assertTrue(r.has_handler)

    def test_refused_row_names_an_errno(self):
        r = model.parse_row("169 reboot refused EPERM A sandbox has no machine.")
        self.assertEqual((r.error, r.note), ("EPERM", "A sandbox has no machine."))
        self.assertFalse(r.has_handler)
        self.refuses("not an errno", model.parse_row, "169 reboot refused ENONSENSE No.")

    def test_only_full_rows_do_without_a_note(self):
        model.parse_row("0 read full")
        for support in ("partial", "stub", "absent", "refused EPERM"):
            self.refuses("note", model.parse_row, f"0 read {support}")

    def test_unknown_support_is_refused(self):
        self.refuses("none of", model.parse_row, "0 read some note")

    def test_size_comes_from_constant_argument_bits_or_pointer(self):
        c = call("x a:in(struct stat) b:out(n*struct iovec) c:inout(bits(n)) n:int l:inout(int) d:out(*l) zero")
        e = [a.extent for a in c.args if a.extent]
        self.assertEqual([x.mode for x in e], ["const", "arg", "bits", "const", "deref"])
        self.assertEqual([x.unit for x in e], [144, 16, 8, 4, 1])

    def test_array_of_constant_length_multiplies(self):
        self.assertEqual(call("pipe fds:out(int[2]) zero").args[0].extent.unit, 8)

    def test_mistakes_in_a_call_are_refused(self):
        for text, words in (
            ("x a:int", "no result"),
            ("x a:nokind zero", "unknown kind"),
            ("x a:flags(nothing) zero", "no set"),
            ("x a:in(struct none) zero", "structs.def"),
            ("x a:in(n) zero", "no argument `n`"),
            ("x a:in(n) n:fd zero", "not a count"),
            ("x a:out(*l) l:out(int) zero", "inout(int)"),
            ("x a:in zero", "needs parentheses"),
            ("x a:int(3) zero", "no parentheses"),
            ("x a:int a:int zero", "two arguments"),
            ("x zero a:int", "after the result"),
            ("x zero @what", "class"),
            ("x a:int b:int c:int d:int e:int f:int g:int zero", "six"),
            ("x a:in(n zero", "unbalanced"),
            ("x a:int nonsense", "not a result"),
        ):
            with self.subTest(text):
                self.refuses(words, call, text)

    def test_rows_are_sorted_and_complete(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "x.tbl")
            for text, words in (
                ("1 b absent N.\n0 a absent N.\n", "sorted"),
                ("1 b absent N.\n2 b absent N.\n", "twice"),
                ("1 b full\n", "no row in calls.def"),
            ):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                self.refuses(words, model.read_rows, path, {})
                with self.assertRaisesRegex(model.TableError, r"x\.tbl:\d"):
                    model.read_rows(path, {})


class Emitting(unittest.TestCase):
    PIPE2 = "pipe2 fds:out(int[2]) flags:flags(open) zero"

    def test_prototype_and_narrowing_follow_the_kinds(self):
        t = tables([], "open path:path flags:flags(open) mode:mode fd", "lseek fd:fd off:off whence:uint size")
        h, w = emit_calls.prototypes(t), emit_calls.wrappers(t)
        self.assertIn("long sys_open(struct task *t, uaddr_t path, int flags, uint32_t mode);", h)
        self.assertIn("sys_open(t, uaddr(a[0]), (int)a[1], (uint16_t)a[2])", w)
        self.assertIn("sys_lseek(t, (int)a[0], (int64_t)a[1], (unsigned int)a[2])", w)

    def test_only_rows_with_a_handler_name_one(self):
        t = tables(["1 a absent N.", "2 b refused EPERM N.", "3 pipe2 partial N."], self.PIPE2)
        c = emit_calls.dispatch(t)
        self.assertIn("[1] = { 0 }, /* a */", c)
        self.assertIn("[2] = { .refused = EPERM }", c)
        self.assertIn("[3] = { .call = call_pipe2 }", c)
        self.assertIn('[1] = "a"', emit_calls.names(t))
        self.assertEqual(emit_calls.tests(t), "pipe2\n")

    def test_window_that_tells_a_size_comes_first(self):
        w = emit_marshal.windows(call("accept fd:int a:sockaddr(*l) l:inout(int) fd"))
        self.assertEqual(
            w, ("{ 2, MARSHAL_INOUT, MARSHAL_CONST, 0, 4 }", "{ 1, MARSHAL_OUT, 2 | MARSHAL_DEREF, 0, 1 }")
        )

    def test_counts_of_32_bits_are_marked(self):
        self.assertIn("1 | MARSHAL_LOW32", emit_marshal.windows(call("x a:in(n) n:int zero"))[0])
        self.assertNotIn("LOW32", emit_marshal.windows(call("x a:in(n) n:size zero"))[0])

    def test_refused_calls_are_not_marshalled(self):
        self.assertNotIn("[1]", emit_marshal.marshal(tables(["1 pipe2 refused EPERM N."], self.PIPE2)))

    def test_multi_bit_flags_come_before_their_parts(self):
        t = tables([])
        t.sets = {"s": model.FlagSet("s", 0, [("DSYNC", 0x1000), ("SYNC", 0x101000)])}
        out = emit_trace.sets(t)
        self.assertLess(out.index('"SYNC"'), out.index('"DSYNC"'))

    def test_docs_show_support_and_error(self):
        md = emit_docs.matrix(tables(["1 a refused EPERM Not here."]))
        self.assertIn("| 1 | `a` | refused `EPERM` | Not here. |", md)


class TheTables(unittest.TestCase):
    """The project's own tables."""

    @classmethod
    def setUpClass(cls):
        cls.tables = model.load(os.path.join(ROOT, "syscall-tables"))

    def test_numbers_reach_to_linux_6_18(self):
        self.assertEqual(self.tables.rows[-1].nr, 469)
        gaps = set(range(470)) - {r.nr for r in self.tables.rows}
        self.assertEqual(gaps, set(range(337, 424)))

    def test_every_call_of_linux_has_its_arguments(self):
        missing = [
            r.name for r in self.tables.rows
            if r.name not in self.tables.calls and "Linux either" not in r.note
        ]  # fmt: skip
        self.assertEqual(missing, ["uretprobe", "uprobe"])

    def test_every_call_has_a_row(self):
        self.assertEqual(set(self.tables.calls) - {r.name for r in self.tables.rows}, set())

    def test_documentation_is_fresh(self):
        self.assertEqual(gen.check_docs(self.tables, os.path.join(ROOT, "docs/syscalls-x86_64.md")), 0)

    def test_building_twice_changes_no_file(self):
        with tempfile.TemporaryDirectory() as d:
            gen.build(self.tables, d)
            times = {n: os.stat(os.path.join(d, n)).st_mtime_ns for n in os.listdir(d)}
            self.assertEqual(set(times), set(gen.GENERATED))
            gen.build(self.tables, d)
            self.assertEqual(times, {n: os.stat(os.path.join(d, n)).st_mtime_ns for n in os.listdir(d)})

    def test_wrong_usage_is_status_2(self):
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(gen.main(["gen.py"]), 2)


class Merging(unittest.TestCase):
    def test_neighbouring_rows_merge(self):
        self.assertEqual(merge.merge_rows("abc", "Abc", "aBc"), ["A", "B", "c"])

    def test_same_change_on_both_sides_merges(self):
        self.assertEqual(merge.merge_rows("ab", "xb", "xb"), ["x", "b"])

    def test_one_row_changed_twice_does_not(self):
        self.assertIsNone(merge.merge_rows("ab", "xb", "yb"))

    def test_added_rows_are_left_to_git(self):
        self.assertIsNone(merge.merge_rows("ab", "abc", "ab"))


def main():
    out = io.StringIO()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(out).run(suite)
    bad = len(result.failures) + len(result.errors)
    if bad:
        print(out.getvalue())
    print(f"syscall-tables: {result.testsRun - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
