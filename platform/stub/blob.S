/* SPDX-License-Identifier: Apache-2.0 */
/* blob.S: the linked stub, carried in the executable's read-only data. */
	.section .rodata, "a"
	.balign	4096
	.globl	stub_blob, stub_blob_end
	.hidden	stub_blob, stub_blob_end
stub_blob:
	.incbin	STUB_BIN
stub_blob_end:
	.section .note.GNU-stack, "", @progbits
