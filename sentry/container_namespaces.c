/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_namespaces.c: which namespaces a container's processes live in: new ones, those of another
 * container of the pod, or the sandbox's first.
 */
#include "sentry/container_impl.h"

#include <errno.h>
#include <string.h>

#include "sentry/ipc/ipc.h"
#include "sentry/socket/net_ns.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sentry/time/time_ns.h"

/*
 * The container whose namespace of that kind k is to share: the named one, or, where config.json has
 * no such namespace, the sandbox's first; NULL: a new one.  *err: -ENOENT when it is not here.
 */
static struct container *namespace_source_locked(const struct container_config *config,
						 enum ns_kind kind, int *err)
{
	struct container *k;

	if (config->ns[kind] == NS_NEW || list_empty(&containers.list))
		return NULL;
	if (config->ns[kind] == NS_SANDBOX)
		return list_first(&containers.list, struct container, node);
	k = container_peek_locked(config->ns_join[kind] ? config->ns_join[kind] : "");
	if (!k)
		*err = -ENOENT;
	return k;
}

/* A new time namespace, in which everything of the container is from the start. */
static int container_time(struct ns_set *ns, const struct container_config *config)
{
	int64_t mono = config->mono_offset_ns, boot = config->boot_offset_ns;
	int err;

	ns->time = time_ns_new(NULL, user_ns_init);
	if (!ns->time)
		return -ENOMEM;
	ns->time_for_children = time_ns_get(ns->time);
	err = time_ns_set_offsets(ns->time, &mono, &boot);
	time_ns_freeze(ns->time);
	return err;
}

int container_namespaces_locked(struct container *k, const struct container_config *config)
{
	struct container *pid, *uts, *net, *ipc;
	struct ns_set *ns = k->ns;
	int err = 0;

	pid = namespace_source_locked(config, NS_PID, &err);
	uts = namespace_source_locked(config, NS_UTS, &err);
	net = namespace_source_locked(config, NS_NET, &err);
	ipc = namespace_source_locked(config, NS_IPC, &err);
	if (err)
		return err;
	k->pid_ns = pid ? pid_ns_get(pid->pid_ns) : pid_ns_new(NULL, user_ns_init);
	ns->uts = uts ? uts_ns_get(uts->ns->uts) :
		  uts_ns_new(config->hostname ? config->hostname : "localhost",
			     config->domainname ? config->domainname : "(none)", user_ns_init);
	ns->net = net ? net_ns_get(net->ns->net) : net_ns_new(user_ns_init);
	ns->ipc = ipc ? ipc_ns_get(ipc->ns->ipc) : ipc_ns_new(user_ns_init);
	if (config->ns[NS_TIME] == NS_NEW) {
		err = container_time(ns, config);
		if (err)
			return err;
	}
	if (!k->pid_ns || !ns->uts || !ns->net || !ns->ipc)
		return -ENOMEM;
	if (!net) {
		ns->net->loopback_up = true;
		ns->net->host = config->host_network;
	}
	if (!pid)
		k->pid_ns->container = k;
	ns->pid_for_children = pid_ns_get(k->pid_ns);
	return 0;
}
