/* Version and revision of this build, set by the Makefile. */
#ifndef NIMBUSGUARD_DAEMON_VERSION_H
#define NIMBUSGUARD_DAEMON_VERSION_H

#ifndef NIMBUSGUARD_VERSION
#define NIMBUSGUARD_VERSION "0.1.0"
#endif
#ifndef NIMBUSGUARD_REVISION
#define NIMBUSGUARD_REVISION "unknown"
#endif

#endif
