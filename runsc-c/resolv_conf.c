/* SPDX-License-Identifier: Apache-2.0 */
/* resolv_conf.c: the host's name servers that a sandbox can ask.  See resolv_conf.h and resolv.conf(5). */
#include "runsc-c/resolv_conf.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *const resolv_conf_files[3] = {
	"/etc/resolv.conf",
	"/run/systemd/resolve/resolv.conf",
	"/run/NetworkManager/no-stub-resolv.conf",
};

/* Can it be reached from inside?  IPv4, and no loopback: of IPv6 nobody can be sure here. */
static bool reachable(const char *address)
{
	struct in_addr a;

	return inet_pton(AF_INET, address, &a) == 1 && ntohl(a.s_addr) >> 24 != 127 && a.s_addr != 0;
}

static size_t filter_file(FILE *f, char *out, size_t size)
{
	char line[1024], address[64];
	size_t used = 0, servers = 0, n;

	while (fgets(line, sizeof(line), f) != NULL) {
		bool server = sscanf(line, " nameserver %63s", address) == 1;

		if (server ? !reachable(address) : strncmp(line, "search", 6) != 0 && strncmp(line, "domain", 6) != 0 &&
							   strncmp(line, "options", 7) != 0)
			continue;
		n = strlen(line);
		if (used + n + 2 > size)
			break;
		memcpy(out + used, line, n);
		used += n;
		if (line[n - 1] != '\n')
			out[used++] = '\n';
		servers += server;
	}
	out[used] = '\0';
	return servers;
}

size_t resolv_conf_outside(const char *const *files, size_t count, char *out, size_t size)
{
	size_t servers = 0;

	out[0] = '\0';
	for (size_t i = 0; i < count && servers == 0; i++) {
		FILE *f = fopen(files[i], "re");

		if (f == NULL)
			continue;
		servers = filter_file(f, out, size);
		fclose(f);
	}
	return servers;
}
