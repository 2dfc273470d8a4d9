/*
 * Writes what the service receives into files (daemon/recording.h) of a folder, beside the work: a body
 * is copied into a bounded queue and written by a thread of its own. When the disk is too slow or
 * refuses, bodies are left out of the recording and counted; the service goes on.
 *
 * Ownership: the recorder owns its copies; the configuration is borrowed.
 * Limits: recording.size_max bytes of files, the oldest are removed first; RECORDER_WAITING_MAX bytes
 *   that wait.
 * Threads: recorder_add() from any; open and close from one.
 */
#ifndef NIMBUSGUARD_DAEMON_RECORDER_H
#define NIMBUSGUARD_DAEMON_RECORDER_H

#include "daemon/config.h"
#include "daemon/recording.h"

#define RECORDER_WAITING_MAX ((size_t)64 << 20)

struct recorder;

bool recorder_wanted(const struct config *config);
struct recorder *recorder_open(const struct config *config, struct error *error) MUST_CHECK;
/* Writes what waits. NULL is allowed. */
void recorder_close(struct recorder *recorder);

/* Copies the body. NULL is allowed, and nothing is done then. */
void recorder_add(struct recorder *recorder, const struct recording_frame *frame);
/* The kind of a remote-write request by its Content-Type, which may be NULL. */
enum recording_kind recorder_kind_of(const char *content_type);

#endif
