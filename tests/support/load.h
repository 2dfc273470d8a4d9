/*
 * A small load of `nimbusguard loadgen` that a test sends to the real program and that must be taken
 * whole.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_LOAD_H
#define NIMBUSGUARD_TESTS_SUPPORT_LOAD_H

#include <stdint.h>

#include "tests/support/servers.h"

#define LOAD_SAMPLES 10000

/* LOAD_SAMPLES samples over two connections, in requests of 200; the test fails when one is not stored.
 * seed: another one, other series. Returns the 99 % latency in seconds. */
double load_send(const struct servers *servers, const struct server *nimbusguard, uint64_t seed);

#endif
