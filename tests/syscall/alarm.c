/* SPDX-License-Identifier: Apache-2.0 */
/* alarm.c: alarm(2). */
#include "t.h"

T_MAIN
{
	EQUAL(alarm(100), 0);
	EQUAL(alarm(1), 100);
	t_handle(SIGALRM, 0);
	EQUAL(pause(), -1);
	EQUAL(t_signals, 1);
	EQUAL(alarm(0), 0);
}
