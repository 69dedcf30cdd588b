/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_network.c: the CLI's "network": the container's network namespace on the host has changed; "dialer": what its
 * monitor does for it there.
 *
 * Its monitor asks first without a network, and is answered when `start` has given the container the one that was
 * there then: what it reads from now on is newer.  A pod's members have none of their own.
 *
 * Locks: containers.lock guards net_ready, net_busy and net_waiting; a change is made without it, net_busy keeps
 * others off.
 */
#include "sentry/container_impl.h"

#include <errno.h>

#include "platform/host.h"
#include "sentry/socket/net_ns.h"
#include "sentry/task/task_impl.h"

/* What the monitor has to know. */
static void network_reply(struct control_request *req, struct net_ns *ns)
{
	json_t *o = json_object(), *links = json_array();
	uint32_t index[NET_NS_LINKS];
	size_t count = net_ns_links(ns, index);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(links, json_integer(index[i]));
	json_object_set_new(o, "links", links);
	json_object_set_new(o, "resolver", json_boolean(net_ns_has_resolver(ns)));
	control_reply_json(req, o);
}

/* Taken from k, to be answered by the caller; lock held. */
static struct control_request *take_waiting_locked(struct container *k)
{
	struct control_request *req = k->net_waiting;

	k->net_waiting = NULL;
	return req;
}

NO_TSA void container_network_ready(struct container *k, int err)
{
	struct control_request *req;
	struct net_ns *ns;

	mutex_lock(&containers.lock);
	k->net_ready |= err == 0;
	req = take_waiting_locked(k);
	ns = k->ns ? net_ns_get(k->ns->net) : NULL;
	mutex_unlock(&containers.lock);
	if (req && err == 0)
		network_reply(req, ns);
	else if (req)
		control_reply_error(req, err, "container \"%s\" has stopped", k->id);
	net_ns_put(ns);
}

/* Without a network: answered now (0), later (1), or never (a negative errno). */
static int wait_for_start_locked(struct container *k, struct control_request *req)
{
	if (k->status == CONTROL_STOPPED)
		return -ESRCH;
	if (k->net_ready)
		return 0;
	if (k->net_waiting)
		return -EBUSY;
	k->net_waiting = req;
	return 1;
}

static int begin_change_locked(struct container *k)
{
	if (k->status == CONTROL_STOPPED || !k->net_ready)
		return -ESRCH;
	if (k->net_busy)
		return -EBUSY;
	k->net_busy = true;
	return 0;
}

NO_TSA static void job_network(struct job *j)
{
	struct container *k = container_lock(j);
	struct net_ns *ns;
	int err;

	if (!k)
		return;
	err = j->network ? begin_change_locked(k) : wait_for_start_locked(k, j->req);
	ns = net_ns_get(k->ns->net);
	mutex_unlock(&containers.lock);
	if (err == 0 && j->network) {
		net_ns_update(ns, j->network);
		j->network = NULL;
		mutex_lock(&containers.lock);
		k->net_busy = false; /* k's memory stays (container_bury()) */
		mutex_unlock(&containers.lock);
	}
	if (err == 0)
		network_reply(j->req, ns);
	else if (err < 0)
		control_reply_error(j->req, err, err == -EBUSY ? "the network is being changed already"
							      : "the container is not running");
	net_ns_put(ns);
}

void container_network_job(void (*fn)(struct job *), struct control_request *req, const char *id, struct network_config *n)
{
	struct job *j = job_new(fn, req, id);

	if (!j) {
		network_config_free(n);
		return;
	}
	j->network = n;
	job_start(j);
}

void control_network(void *kernel, struct control_request *req, const char *id, struct network_config *n)
{
	(void)kernel;
	container_network_job(job_network, req, id, n);
}

/* ---- what the monitor offers ------------------------------------------------------------------- */

static void dialer_close(int fd, int doors)
{
	host_close(fd);
	if (doors >= 0)
		host_close(doors);
}

NO_TSA static void job_dialer(struct job *j)
{
	struct container *k = container_lock(j);
	struct net_ns *ns = k ? net_ns_get(k->ns->net) : NULL;

	if (!k) {
		dialer_close(j->fd, j->doors);
		return;
	}
	mutex_unlock(&containers.lock);
	net_ns_set_dialer(ns, j->fd, j->doors);
	net_ns_put(ns);
	control_reply_ok(j->req);
}

void control_dialer(void *kernel, struct control_request *req, const char *id, int fd, int doors)
{
	struct job *j = job_new(job_dialer, req, id);

	(void)kernel;
	if (!j) {
		dialer_close(fd, doors);
		return;
	}
	j->fd = fd;
	j->doors = doors;
	job_start(j);
}
