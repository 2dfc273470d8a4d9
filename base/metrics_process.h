/*
 * The metrics that every Prometheus user expects of a process: CPU time, memory, descriptors, start.
 *
 * Threads: call once, from any thread; the collector then runs with each metrics page.
 */
#ifndef NIMBUSGUARD_BASE_METRICS_PROCESS_H
#define NIMBUSGUARD_BASE_METRICS_PROCESS_H

/* Adds the collector of the process_* metrics; a second call does nothing. */
void metrics_process_install(void);

#endif
