/* SPDX-License-Identifier: Apache-2.0 */
/* arp.c: arp(7)'s ioctl(2)s, as dnsmasq and net-tools' arp use them. */
#include "t.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void put(struct sockaddr *out, uint32_t a)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(a) };

	memcpy(out, &in, sizeof(in));
}

T_MAIN
{
	struct ifreq i = { .ifr_name = "br9" };
	struct arpreq r = { .arp_dev = "br9", .arp_flags = ATF_COM, .arp_ha = { 1, "\2\1\2\3\4\5" } }, got;
	int s;

	if (unshare(CLONE_NEWNET) < 0)
		exit(77);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(s, SIOCBRADDBR, "br9") < 0) /* a host without the module */
		exit(77);
	put(&i.ifr_addr, 0x0a4d0001);
	EQUAL(ioctl(s, SIOCSIFADDR, &i), 0); /* 10.77.0.1/8 */
	i.ifr_flags = IFF_UP;
	EQUAL(ioctl(s, SIOCSIFFLAGS, &i), 0);
	put(&r.arp_pa, 0x0a4d0002);
	FAILS(ENXIO, ioctl(s, SIOCGARP, &r));
	FAILS(ENXIO, ioctl(s, SIOCDARP, &r));
	EQUAL(ioctl(s, SIOCSARP, &r), 0);
	got = (struct arpreq){ .arp_dev = "br9", .arp_pa = r.arp_pa };
	EQUAL(ioctl(s, SIOCGARP, &got), 0);
	EQUAL(got.arp_flags, ATF_COM);
	EQUAL(got.arp_ha.sa_family, ARPHRD_ETHER);
	EQUAL(memcmp(got.arp_ha.sa_data, "\2\1\2\3\4\5", 6), 0);
	EQUAL(ioctl(s, SIOCDARP, &r), 0);
	/* The interface of the route; for good. */
	put(&r.arp_pa, 0x0a4d0003);
	r.arp_dev[0] = 0;
	r.arp_flags = ATF_COM | ATF_PERM;
	EQUAL(ioctl(s, SIOCSARP, &r), 0);
	FAILS(ENODEV, ioctl(s, SIOCGARP, &r));
	got = (struct arpreq){ .arp_dev = "br9", .arp_pa = r.arp_pa };
	EQUAL(ioctl(s, SIOCGARP, &got), 0);
	EQUAL(got.arp_flags, ATF_COM | ATF_PERM);
	strcpy(r.arp_dev, "none");
	FAILS(ENODEV, ioctl(s, SIOCSARP, &r));
	r.arp_pa.sa_family = AF_INET6;
	FAILS(EPFNOSUPPORT, ioctl(s, SIOCSARP, &r));
	put(&r.arp_pa, 0x0a4d0003);
	r.arp_flags = ATF_NETMASK;
	FAILS(EINVAL, ioctl(s, SIOCSARP, &r));
	FAILS(EFAULT, ioctl(s, SIOCSARP, BAD_PTR));
}
