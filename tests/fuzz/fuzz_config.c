/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_config.c: config.json, and the control messages that are made of it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "runsc-c/jsonw.h"
#include "runsc-c/oci_spec.h"
#include "sentry/control/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct oci_spec *s)
{
	int fds[4] = { -1, -1, -1, -1 };
	struct container_config *c;
	json_t *o = control_encode_create(s->container);
	const char *why;

	if (o == NULL || control_decode_create(o, fds, 4, &c, &why) < 0)
		abort(); /* what the parser lets through, the Sentry must take */
	container_config_free(c);
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct process_config *p;
	struct container_config *c;
	struct oci_spec *s;
	int fds[4] = { -1, -1, -1, -1 };
	const char *why;
	json_t *doc = jsonw_load((const char *)data, size, "config.json", &e);

	if (doc == NULL)
		return 0;
	if (oci_spec_parse(doc, "config.json", "/b", "id", OCI_SPEC_NO_FILES, &s, &e) == 0) {
		round_trip(s);
		oci_spec_free(s);
	}
	err_clear(&e);
	if (oci_process_parse(doc, "p", &p, &e) == 0)
		process_config_free(p);
	if (control_decode_create(doc, fds, 4, &c, &why) == 0)
		container_config_free(c);
	json_decref(doc);
	return 0;
}
