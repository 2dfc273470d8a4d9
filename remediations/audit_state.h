/*
 * What the files of the audit share. For audit*.c only.
 *
 * Threads: as audit.h.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_AUDIT_STATE_H
#define NIMBUSGUARD_REMEDIATIONS_AUDIT_STATE_H

#include <sqlite3.h>

#include "remediations/audit.h"

struct audit {
	sqlite3 *connection;
};

#endif
