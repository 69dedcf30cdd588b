/* SPDX-License-Identifier: Apache-2.0 */
/* oci_spec_impl.h: what the files that parse config.json share. */
#pragma once

#include "runsc-c/jsonw.h"
#include "runsc-c/oci_spec.h"

/* A copy of s (NULL for NULL); out of memory is set in w. */
char *oci_dup(struct jsonw *w, const char *s);
/* count zeroed elements (at least one), freed by mem_free(). */
void *oci_alloc(struct jsonw *w, size_t count, size_t size);
void oci_strings_free(char **v);

/* Each parses the object it is given; w stands in it. */
struct process_config *oci_parse_process(struct jsonw *w, const json_t *o);
void oci_parse_mounts(struct jsonw *w, const json_t *doc, struct oci_spec *s);
/* linux.devices (w stands in linux); linux.resources.devices, with runc's defaults. */
void oci_parse_devices(struct jsonw *w, const json_t *linux_, struct container_config *c);
void oci_parse_device_rules(struct jsonw *w, const json_t *resources, struct container_config *c);
/* process.scheduler (NULL: none), process.ioPriority (0: none); w stands in process. */
struct scheduler_config *oci_parse_scheduler(struct jsonw *w, const json_t *process);
int oci_parse_io_priority(struct jsonw *w, const json_t *process);
/* An array of id mappings; *out is the caller's. */
void oci_parse_id_map(struct jsonw *w, const json_t *o, const char *name, struct id_map_config **out,
		      size_t *count);
/* linux.sysctl; after the namespaces. */
void oci_parse_sysctl(struct jsonw *w, const json_t *linux_, struct oci_spec *s);
void oci_parse_resources(struct jsonw *w, const json_t *o, struct oci_resources *r);

/*
 * The value of a mount option that is a flag: adds to *set, *clear and *propagation; *recursive for
 * "rbind" and kin.  false: it is none, so it belongs into the file system's data.
 */
struct oci_mount_flags {
	unsigned long flags, propagation;
	bool bind, recursive;
};
bool oci_mount_option(const char *option, struct oci_mount_flags *m);
/* Whether the Sentry has a file system of that name. */
bool oci_mount_type_known(const char *type);
