/*
 * Loads by order over HTTP: one at a time, with what it found and metrics of its own. docs/sample.md has
 * its routes.
 *
 * Ownership: texts of the configuration are borrowed until drive_service_close().
 * Threads: open and close on one thread.
 */
#ifndef NIMBUSGUARD_DEMO_DRIVE_SERVICE_H
#define NIMBUSGUARD_DEMO_DRIVE_SERVICE_H

#include "base/error.h"
#include "demo/drive.h"

struct drive_service_config {
	const char *listen_address;
	/* Where loads go that name no target; those that do may name no other scheme, host and port. NULL:
	 * each names its target, whatever it is. */
	const char *url;
	const char *token, *ca_file; /* for the target, or NULL */
};

struct drive_service;

struct drive_service *drive_service_open(const struct drive_service_config *config,
	struct error *error) MUST_CHECK;
unsigned drive_service_port(const struct drive_service *service);
void drive_service_close(struct drive_service *service); /* NULL allowed */

#endif
