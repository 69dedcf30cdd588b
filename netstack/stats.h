/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h: the counters of a stack, named as in Linux's /proc/net/snmp, snmp6 and netstat, and a
 * few of our own (last group).
 */
#pragma once

#define NET_STATS(X)                                                                                \
	X(IpInReceives) X(IpInHdrErrors) X(IpInAddrErrors) X(IpForwDatagrams) X(IpInUnknownProtos)  \
	X(IpInDiscards) X(IpInDelivers) X(IpOutRequests) X(IpOutDiscards) X(IpOutNoRoutes)          \
	X(IpReasmTimeout) X(IpReasmReqds) X(IpReasmOKs) X(IpReasmFails) X(IpFragOKs) X(IpFragFails) \
	X(IpFragCreates)                                                                            \
	X(Ip6InReceives) X(Ip6InHdrErrors) X(Ip6InTooBigErrors) X(Ip6InNoRoutes)                    \
	X(Ip6InAddrErrors) X(Ip6InUnknownProtos) X(Ip6InTruncatedPkts) X(Ip6InDiscards)             \
	X(Ip6InDelivers) X(Ip6OutForwDatagrams) X(Ip6OutRequests) X(Ip6OutDiscards) X(Ip6OutNoRoutes) X(Ip6ReasmTimeout)   \
	X(Ip6ReasmReqds) X(Ip6ReasmOKs) X(Ip6ReasmFails) X(Ip6FragOKs) X(Ip6FragFails)              \
	X(Ip6FragCreates)                                                                           \
	X(IcmpInMsgs) X(IcmpInErrors) X(IcmpInCsumErrors) X(IcmpInDestUnreachs)                     \
	X(IcmpInTimeExcds) X(IcmpInParmProbs) X(IcmpInRedirects) X(IcmpInEchos) X(IcmpInEchoReps)   \
	X(IcmpOutMsgs) X(IcmpOutErrors) X(IcmpOutRateLimited) X(IcmpOutDestUnreachs)                \
	X(IcmpOutTimeExcds) X(IcmpOutEchos) X(IcmpOutEchoReps)                                      \
	X(Icmp6InMsgs) X(Icmp6InErrors) X(Icmp6InCsumErrors) X(Icmp6OutMsgs) X(Icmp6OutErrors)      \
	X(Icmp6OutRateLimited)                                                                      \
	X(TcpActiveOpens) X(TcpPassiveOpens) X(TcpAttemptFails) X(TcpEstabResets) X(TcpInSegs)      \
	X(TcpOutSegs) X(TcpRetransSegs) X(TcpInErrs) X(TcpOutRsts) X(TcpInCsumErrors)               \
	X(UdpInDatagrams) X(UdpNoPorts) X(UdpInErrors) X(UdpOutDatagrams) X(UdpRcvbufErrors)        \
	X(UdpSndbufErrors) X(UdpInCsumErrors)                                                       \
	X(UdpLiteInDatagrams) X(UdpLiteNoPorts) X(UdpLiteInErrors) X(UdpLiteOutDatagrams)           \
	X(UdpLiteRcvbufErrors) X(UdpLiteInCsumErrors)                                               \
	X(SyncookiesSent) X(SyncookiesRecv) X(SyncookiesFailed) X(TW) X(PAWSActive) X(PAWSEstab)    \
	X(DelayedACKs) X(DelayedACKLost) X(ListenOverflows) X(ListenDrops) X(TCPHPHits)             \
	X(TCPPureAcks) X(TCPHPAcks) X(TCPRenoRecovery) X(TCPSackRecovery) X(TCPSACKReneging)        \
	X(TCPSACKReorder) X(TCPTSReorder) X(TCPFullUndo) X(TCPPartialUndo) X(TCPDSACKUndo)          \
	X(TCPLossUndo) X(TCPLostRetransmit) X(TCPSackFailures) X(TCPLossFailures)                   \
	X(TCPFastRetrans) X(TCPSlowStartRetrans) X(TCPTimeouts) X(TCPLossProbes)                    \
	X(TCPLossProbeRecovery) X(TCPRenoRecoveryFail) X(TCPSackRecoveryFail) X(TCPRcvCollapsed)    \
	X(TCPDSACKOldSent) X(TCPDSACKOfoSent) X(TCPDSACKRecv) X(TCPDSACKOfoRecv)                    \
	X(TCPAbortOnData) X(TCPAbortOnClose) X(TCPAbortOnMemory) X(TCPAbortOnTimeout)               \
	X(TCPAbortOnLinger) X(TCPAbortFailed) X(TCPMemoryPressures) X(TCPSpuriousRTOs)              \
	X(TCPBacklogDrop) X(TCPReqQFullDoCookies) X(TCPReqQFullDrop) X(TCPRetransFail)              \
	X(TCPRcvCoalesce) X(TCPOFOQueue) X(TCPOFODrop) X(TCPOFOMerge) X(TCPChallengeACK)            \
	X(TCPSYNChallenge) X(TCPFromZeroWindowAdv) X(TCPToZeroWindowAdv) X(TCPWantZeroWindowAdv)    \
	X(TCPSynRetrans) X(TCPOrigDataSent) X(TCPACKSkippedPAWS) X(TCPACKSkippedSeq)                \
	X(TCPACKSkippedChallenge) X(TCPWinProbe) X(TCPKeepAlive) X(TCPMTUPFail) X(TCPMTUPSuccess)   \
	X(TCPDelivered) X(TCPDeliveredCE) X(TCPAckCompressed) X(TCPZeroWindowDrop)                  \
	X(TCPRcvQDrop) X(TCPTimeWaitOverflow) X(IPReversePathFilter)                                                       \
	X(InNoRoutes) X(InMcastPkts) X(OutMcastPkts) X(InBcastPkts) X(OutBcastPkts)                 \
	X(ArpIn) X(ArpBad) X(NeighOverflow) X(NeighQueueDrop) X(NdpBad) X(FragOverlap)              \
	X(FragOverflow) X(LoopbackSpliceBytes) X(PacketDrops) X(RawDrops) X(SlaacPrefixes)          \
	X(IgmpIn) X(MldIn) X(OutNoMemory) X(InMartianSrc)

enum net_stat {
#define X(name) NS_##name,
	NET_STATS(X)
#undef X
	NS_COUNT
};
