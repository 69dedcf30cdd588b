/* SPDX-License-Identifier: Apache-2.0 */
/* bridge.c: bridges by ioctl(2), as brctl makes them. */
#include "t.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

T_MAIN
{
	struct ifreq r = { .ifr_name = "br9" }, lo = { .ifr_name = "lo" };
	int s;

	if (unshare(CLONE_NEWNET) < 0)
		exit(77);
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (ioctl(s, SIOCBRADDBR, "br9") < 0 && errno != EEXIST) /* a host without the module */
		exit(77);
	FAILS(EEXIST, ioctl(s, SIOCBRADDBR, "br9"));
	FAILS(EINVAL, ioctl(s, SIOCBRADDBR, "a/b"));
	EQUAL(ioctl(s, SIOCGIFHWADDR, &r), 0);
	EQUAL(r.ifr_hwaddr.sa_family, 1);
	EQUAL(r.ifr_hwaddr.sa_data[0] & 3, 2);
	EQUAL(ioctl(s, SIOCGIFINDEX, &lo), 0);
	r.ifr_ifindex = lo.ifr_ifindex;
	FAILS(EINVAL, ioctl(s, SIOCBRADDIF, &r)); /* no Ethernet */
	FAILS(EINVAL, ioctl(s, SIOCBRDELIF, &r)); /* no port of it */
	r.ifr_ifindex = 12345;
	FAILS(EINVAL, ioctl(s, SIOCBRADDIF, &r));
	r.ifr_flags = IFF_UP;
	EQUAL(ioctl(s, SIOCSIFFLAGS, &r), 0);
	FAILS(EBUSY, ioctl(s, SIOCBRDELBR, "br9"));
	r.ifr_flags = 0;
	EQUAL(ioctl(s, SIOCSIFFLAGS, &r), 0);
	FAILS(ENXIO, ioctl(s, SIOCBRDELBR, "br8"));
	FAILS(EPERM, ioctl(s, SIOCBRDELBR, "lo"));
	EQUAL(ioctl(s, SIOCBRDELBR, "br9"), 0);
	FAILS(ENODEV, ioctl(s, SIOCGIFINDEX, &r));
	FAILS(EFAULT, ioctl(s, SIOCBRADDBR, BAD_PTR));
}
