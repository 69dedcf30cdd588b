/* SPDX-License-Identifier: Apache-2.0 */
/* aio.h: Linux AIO contexts, as others see them. */
#pragma once

struct mm;

void aio_module_init(void);
/* mm's contexts end. */
void aio_mm_exit(struct mm *mm);
/* /proc/sys/fs/aio-nr. */
unsigned int aio_nr(void);
