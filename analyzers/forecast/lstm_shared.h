/*
 * The net for all workloads: one LSTM that steps many series, each with its own state, and that a better
 * one may replace while it serves.
 *
 *   lstm_shared_open -> put -> [hold ... release] -> put (a better one) ... -> close
 *
 * A net that is put takes the weights that are asked for (lstm.h) and is never changed again. Who steps it holds it, and sees by the generation that
 * another serves; states are a net's own, so that a new one begins with a state of zero and says nothing
 * for LSTM_WARM_ROWS rows.
 *
 * Ownership: what is put is taken over; it is freed with its last holder.
 * Threads: any. The generation is read without a lock.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_SHARED_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/lstm.h"

#define LSTM_WARM_ROWS 60

/* A net and what it was trained for. */
struct lstm_net {
	struct lstm lstm;
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count;
	size_t beside; /* signals beside that it is told of */
	_Atomic unsigned holders;
};

struct lstm_shared;

/* The shape of the net that a config asks for. */
struct lstm_shape lstm_net_shape(const struct forecaster_config *config);
/* Held once, of the shape of the config (lstm_hidden, lstm_layers, lstm_beside, horizons), its
 * parameters seeded. NULL: STATUS_BAD_INPUT, STATUS_NO_MEMORY. */
struct lstm_net *lstm_net_open(const struct forecaster_config *config,
	struct error *error) MUST_CHECK;
/* A copy to be trained further, held once; NULL: no memory. */
struct lstm_net *lstm_net_copy(const struct lstm_net *net, struct error *error) MUST_CHECK;
/* Whether it forecasts these horizons. */
bool lstm_net_fits(const struct lstm_net *net, const struct forecaster_config *config);
/* Tells one net from another: a hash of its parameters. */
uint64_t lstm_net_mark(const struct lstm_net *net);
/* NULL is allowed. */
void lstm_net_release(struct lstm_net *net);

/* Without a net. weights: what those that are put answer with. */
struct lstm_shared *lstm_shared_open(enum lstm_weights weights, struct error *error) MUST_CHECK;
/* NULL is allowed. */
void lstm_shared_close(struct lstm_shared *shared);
enum lstm_weights lstm_shared_weights(const struct lstm_shared *shared);
/* net: held once, taken over. */
void lstm_shared_put(struct lstm_shared *shared, struct lstm_net *net);
/* The net that serves, held for the caller; NULL: none. */
struct lstm_net *lstm_shared_hold(struct lstm_shared *shared) MUST_CHECK;
/* Counts the nets put. */
unsigned lstm_shared_generation(const struct lstm_shared *shared);

#endif
