/*
 * All settings of the service, one line each: the YAML path gives the flag (`storage.memory_max`
 * -> --storage.memory-max) and the variable (NIMBUSGUARD_STORAGE_MEMORY_MAX). The table feeds the
 * reader, `check --print`, the usage text and docs/configuration.md.
 *
 * SETTING(id, YAML path, type, default as text, min, max, choices or NULL, reloadable, help)
 * min and max: milliseconds for durations, bytes for sizes.
 */
#ifndef NIMBUSGUARD_DAEMON_CONFIG_TABLE_H
#define NIMBUSGUARD_DAEMON_CONFIG_TABLE_H

#define MODE_CHOICES "observe|suggest|approve|auto"
#define HOUR_MS INT64_C(3600000)
#define GIB (INT64_C(1) << 30)
#define MIB (INT64_C(1) << 20)

#define SETTING_TABLE(SETTING)                                                                      \
	SETTING(WEB_LISTEN_ADDRESS, "web.listen_address", TEXT, "127.0.0.1:9797", 0, 0, NULL,       \
		false, "Address to listen on, host:port; port 0 takes a free one.")                 \
	SETTING(WEB_CONFIG_FILE, "web.config.file", TEXT, "", 0, 0, NULL, false,                    \
		"Web configuration of Prometheus' exporter toolkit: TLS, client certificates, "     \
		"basic auth.")                                                                      \
	SETTING(WEB_ALLOW_UNAUTHENTICATED, "web.allow_unauthenticated", BOOL, "false", 0, 0, NULL,  \
		false,                                                                              \
		"Listen off loopback without access control; approve, reject, undo and reload "     \
		"stay refused.")                                                                    \
	SETTING(WEB_ROUTE_PREFIX, "web.route_prefix", TEXT, "", 0, 0, NULL, false,                  \
		"Prefix of all paths, such as /nimbusguard.")                                       \
	SETTING(WEB_EXTERNAL_URL, "web.external_url", TEXT, "", 0, 0, NULL, false,                  \
		"URL under which people reach this service, for links; its host is allowed.")       \
	SETTING(WEB_THREADS, "web.threads", INT, "4", 1, 64, NULL, false,                           \
		"Threads that receive and decode.")                                                 \
	SETTING(WEB_CONNECTIONS_MAX, "web.connections_max", INT, "1000", 1, 100000, NULL, false,    \
		"Connections open at once.")                                                        \
	SETTING(WEB_SLOTS, "web.slots", INT, "16", 1, 4096, NULL, false,                            \
		"Request bodies held at once; past that 503 with Retry-After.")                     \
	SETTING(WEB_IDLE_TIMEOUT, "web.idle_timeout", DURATION, "1m", 1000, HOUR_MS, NULL, false,   \
		"A connection without traffic is closed after this time.")                          \
	SETTING(STORAGE_PATH, "storage.path", TEXT, "data", 0, 0, NULL, false,                      \
		"Folder of the journal and of other state.")                                        \
	SETTING(STORAGE_MEMORY_MAX, "storage.memory_max", SIZE, "1GiB", 16 * MIB, 1024 * GIB,       \
		NULL, false, "Memory for series and rings, a hard budget.")                         \
	SETTING(STORAGE_SERIES_MAX, "storage.series_max", INT, "1000000", 100, 100000000, NULL,     \
		false, "Series in memory.")                                                         \
	SETTING(STORAGE_RETENTION, "storage.retention", DURATION, "6h", 60000, 1000 * HOUR_MS,      \
		NULL, false, "How long rings keep samples, as far as the budget goes.")             \
	SETTING(STORAGE_INTERVAL, "storage.interval", DURATION, "15s", 100, HOUR_MS, NULL, false,   \
		"Expected distance of samples, to size rings.")                                     \
	SETTING(STORAGE_ENDED_KEEP, "storage.ended_keep", DURATION, "1h", 60000, 1000 * HOUR_MS,    \
		NULL, false, "A series that ended is removed after this time.")                     \
	SETTING(STORAGE_SNAPSHOT_INTERVAL, "storage.snapshot_interval", DURATION, "5m", 0,          \
		24 * HOUR_MS, NULL, false,                                                          \
		"How often the series are written to storage.path, for the next start; 0: "         \
		"never, not at a stop either.")                                                     \
	SETTING(STORAGE_ROLLUP_RETENTION, "storage.rollup_retention", DURATION, "14d", 0,           \
		90 * 24 * HOUR_MS, NULL, false,                                                     \
		"How long minutes of signals are kept in a file of storage.path; 0: not, else a "   \
		"day at least.")                                                                    \
	SETTING(STORAGE_ROLLUP_SIGNALS_MAX, "storage.rollup_signals_max", INT, "30000", 1,          \
		10000000, NULL, false, "Signals in that file, 99.6 kB each for 14 days.")           \
	SETTING(RECORDING_PATH, "recording.path", TEXT, "", 0, 0, NULL, false,                      \
		"Folder for recordings of what is received, for nimbusguard replay; empty: "        \
		"nothing is recorded.")                                                             \
	SETTING(RECORDING_SIZE_MAX, "recording.size_max", SIZE, "256MiB", MIB, 1024 * GIB, NULL,    \
		false, "Bytes of these files; the oldest are removed first.")                       \
	SETTING(INGEST_FUTURE_MAX, "ingest.future_max", DURATION, "10m", 1000, 24 * HOUR_MS, NULL,  \
		false, "Samples further ahead of the clock are refused.")                           \
	SETTING(INGEST_BODY_MAX, "ingest.body_max", SIZE, "32MiB", 1024, 1 * GIB, NULL, false,      \
		"Compressed body of a remote-write request.")                                       \
	SETTING(INGEST_DECODED_MAX, "ingest.decoded_max", SIZE, "32MiB", 1024, 1 * GIB, NULL,       \
		false, "The same, decompressed.")                                                   \
	SETTING(INGEST_LABELS_MAX, "ingest.labels_max", INT, "256", 1, 4096, NULL, false,           \
		"Labels of a series.")                                                              \
	SETTING(INGEST_LABEL_NAME_MAX, "ingest.label_name_max", SIZE, "1KiB", 16, 65536, NULL,      \
		false, "Bytes of a label name.")                                                    \
	SETTING(INGEST_LABEL_VALUE_MAX, "ingest.label_value_max", SIZE, "64KiB", 16, MIB, NULL,     \
		false, "Bytes of a label value.")                                                   \
	SETTING(INGEST_REQUEST_SERIES_MAX, "ingest.request_series_max", INT, "100000", 1,           \
		10000000, NULL, false, "Time series in one request.")                               \
	SETTING(INGEST_REQUEST_SYMBOLS_MAX, "ingest.request_symbols_max", INT, "1000000", 1,        \
		100000000, NULL, false, "Symbols in one request of remote write 2.0.")              \
	SETTING(INGEST_KEEP, "ingest.keep", LIST, "", 0, 0, NULL, false,                            \
		"Selectors of series to keep; empty: all.")                                         \
	SETTING(INGEST_DROP, "ingest.drop", LIST, "", 0, 0, NULL, false,                            \
		"Selectors of series to drop, also when ingest.keep has them.")                     \
	SETTING(INGEST_DROPPED_MAX, "ingest.dropped_max", INT, "1000000", 1, 1000000000, NULL,      \
		false, "Dropped series that are remembered, about 16 bytes each.")                  \
	SETTING(INGEST_HISTOGRAMS, "ingest.histograms", LIST, "", 0, 0, NULL, false,                \
		"Selectors of series whose last native histograms are kept.")                       \
	SETTING(INGEST_HISTOGRAMS_KEEP, "ingest.histograms_keep", INT, "64", 1, 1000, NULL, false,  \
		"Native histograms kept for a series.")                                             \
	SETTING(INGEST_HISTOGRAMS_MEMORY_MAX, "ingest.histograms_memory_max", SIZE, "64MiB",        \
		65536, 16 * GIB, NULL, false,                                                       \
		"Memory for native histograms, a part of storage.memory_max.")                      \
	SETTING(INGEST_EXEMPLARS, "ingest.exemplars", LIST, "", 0, 0, NULL, false,                  \
		"Selectors of series whose last exemplars are kept.")                               \
	SETTING(INGEST_EXEMPLARS_KEEP, "ingest.exemplars_keep", INT, "16", 1, 1000, NULL, false,    \
		"Exemplars kept for a series.")                                                     \
	SETTING(INGEST_EXEMPLARS_MEMORY_MAX, "ingest.exemplars_memory_max", SIZE, "16MiB", 65536,   \
		16 * GIB, NULL, false, "Memory for exemplars, a part of storage.memory_max.")       \
	SETTING(INGEST_HA_ENABLED, "ingest.ha.enabled", BOOL, "false", 0, 0, NULL, false,           \
		"Of HA pairs of Prometheus take the samples of one replica per cluster.")           \
	SETTING(INGEST_HA_CLUSTER_LABEL, "ingest.ha.cluster_label", TEXT, "cluster", 0, 0, NULL,    \
		false, "External label that names the cluster of an HA pair.")                      \
	SETTING(INGEST_HA_REPLICA_LABEL, "ingest.ha.replica_label", TEXT, "__replica__", 0, 0,      \
		NULL, false, "External label that names the replica; it is removed.")               \
	SETTING(INGEST_HA_FAILOVER, "ingest.ha.failover", DURATION, "30s", 1000, HOUR_MS, NULL,     \
		false, "Silence of the elected replica after which another one is elected.")        \
	SETTING(INGEST_HA_CLUSTERS_MAX, "ingest.ha.clusters_max", INT, "100", 1, 1000, NULL,        \
		false, "Clusters of HA pairs; series of more are refused.")                         \
	SETTING(BACKFILL_URL, "backfill.url", TEXT, "", 0, 0, NULL, false,                          \
		"Prometheus whose history fills the rings at start; empty: none does.")             \
	SETTING(BACKFILL_RANGE, "backfill.range", DURATION, "0s", 0, 1000 * HOUR_MS, NULL, false,   \
		"How far back; 0: storage.retention, at most a day. Never more than "               \
		"storage.retention.")                                                               \
	SETTING(BACKFILL_MATCH, "backfill.match", LIST, "", 0, 0, NULL, false,                      \
		"Selectors of series to fill beside those of the signals.")                         \
	SETTING(BACKFILL_EXTERNAL_LABELS, "backfill.external_labels", LIST, "", 0, 0, NULL, false,  \
		"External labels of that Prometheus, name=value; not given: it is asked.")          \
	SETTING(BACKFILL_TIMEOUT, "backfill.timeout", DURATION, "30s", 100, HOUR_MS, NULL, false,   \
		"Of one question.")                                                                 \
	SETTING(BACKFILL_GIVE_UP, "backfill.give_up", DURATION, "10m", 1000, 24 * HOUR_MS, NULL,    \
		false, "After so long without an answer the rings fill from the stream alone.")     \
	SETTING(BACKFILL_CONCURRENCY, "backfill.concurrency", INT, "2", 1, 16, NULL, false,         \
		"Questions at once.")                                                               \
	SETTING(BACKFILL_ANSWER_MAX, "backfill.answer_max", SIZE, "32MiB", 65536, 1 * GIB, NULL,    \
		false, "Bytes of one answer; past it less time is asked for.")                      \
	SETTING(BACKFILL_TOKEN_FILE, "backfill.token_file", TEXT, "", 0, 0, NULL, false,            \
		"File with the bearer token for it.")                                               \
	SETTING(BACKFILL_USERNAME, "backfill.username", TEXT, "", 0, 0, NULL, false,                \
		"User of basic auth for it.")                                                       \
	SETTING(BACKFILL_PASSWORD_FILE, "backfill.password_file", TEXT, "", 0, 0, NULL, false,      \
		"File with the user's password.")                                                   \
	SETTING(BACKFILL_CA_FILE, "backfill.ca_file", TEXT, "", 0, 0, NULL, false,                  \
		"File with its certificate authority.")                                             \
	SETTING(WEBHOOK_BODY_MAX, "webhook.body_max", SIZE, "32MiB", 1024, 1 * GIB, NULL, false,    \
		"Body of an Alertmanager message.")                                                 \
	SETTING(WEBHOOK_ALERTS_MAX, "webhook.alerts_max", INT, "20000", 1, 1000000, NULL, false,    \
		"Alerts of one message; the rest is counted and warned of.")                        \
	SETTING(ANALYZE_SIGNALS, "analyze.signals", LIST, "", 0, 0, NULL, true,                     \
		"Files that bind series to workloads; empty: the bundled rules/signals.yaml.")      \
	SETTING(ANALYZE_WORKLOADS_MAX, "analyze.workloads_max", INT, "5000", 1, 1000000, NULL,      \
		false, "Workloads watched.")                                                        \
	SETTING(ANALYZE_SCAN_INTERVAL, "analyze.scan_interval", DURATION, "15s", 100, HOUR_MS,      \
		NULL, true, "Time between two scans.")                                              \
	SETTING(ANALYZE_HISTORY, "analyze.history", DURATION, "1h", 60000, 1000 * HOUR_MS, NULL,    \
		true, "History that a score is judged against.")                                    \
	SETTING(ANALYZE_HISTORY_MIN, "analyze.history_min", DURATION, "10m", 1000, 1000 * HOUR_MS,  \
		NULL, true, "With less history nothing is called abnormal.")                        \
	SETTING(ANALYZE_THRESHOLD, "analyze.threshold", DOUBLE, "6", 1, 1000, NULL, true,           \
		"Robust z-score at which a finding opens.")                                         \
	SETTING(ANALYZE_THRESHOLD_CLOSE, "analyze.threshold_close", DOUBLE, "3", 0, 1000, NULL,     \
		true, "Robust z-score below which it closes.")                                      \
	SETTING(ANALYZE_DURATION_MIN, "analyze.duration_min", DURATION, "1m", 0, 24 * HOUR_MS,      \
		NULL, true, "For so long the score must hold.")                                     \
	SETTING(ANALYZE_DETECTOR, "analyze.detector", TEXT, "ensemble", 0, 0, NULL, false,          \
		"Detector of whole workloads, which learns from the 1-minute tier: ensemble, "      \
		"pca_roll, forest_roll and others; empty: none.")                                   \
	SETTING(ANALYZE_DETECTOR_SURPRISE, "analyze.detector_surprise", DOUBLE, "4", 1, 12, NULL,   \
		false,                                                                              \
		"Its findings are minutes as which a usual one scores with a probability of at "    \
		"most 10 to the power of minus this.")                                              \
	SETTING(ANALYZE_FORECASTER, "analyze.forecaster", TEXT, "combined", 0, 0, NULL, false,      \
		"Forecaster of the signals with `forecast: true`: combined, ridge_ar, ewma and "    \
		"others; empty: none.")                                                             \
	SETTING(ANALYZE_GENERAL_MODEL, "analyze.general_model", TEXT, "", 0, 0, NULL, false,        \
		"File of the LSTM for all workloads, a member of combined; empty: models/ in "      \
		"storage.path or, where nothing was learnt yet, the bundled one; none.")            \
	SETTING(ANALYZE_GENERAL_WEIGHTS, "analyze.general_weights", CHOICE, "auto", 0, 0,           \
		"auto|bf16|fp32", false,                                                            \
		"What it answers with of its weights, which are fp32 in its file and in training; " \
		"auto: bf16 where the processor has instructions for it.")                          \
	SETTING(ANALYZE_GENERAL_AGAIN, "analyze.general_again", DURATION, "7d", 0,                  \
		28 * 24 * HOUR_MS, NULL, false,                                                     \
		"Time from one training of it on the workloads here to the next; 0: none.")         \
	SETTING(ANALYZE_LEARN, "analyze.learn", DURATION, "7d", HOUR_MS, 28 * 24 * HOUR_MS, NULL,   \
		false, "Minutes that it learns from.")                                              \
	SETTING(ANALYZE_LEARN_MIN, "analyze.learn_min", DURATION, "1d", HOUR_MS,                    \
		28 * 24 * HOUR_MS, NULL, false, "With less it says nothing.")                       \
	SETTING(ANALYZE_LEARN_AGAIN, "analyze.learn_again", DURATION, "1d", HOUR_MS,                \
		28 * 24 * HOUR_MS, NULL, false, "Age at which it learns anew.")                     \
	SETTING(ANALYZE_MODELS_MEMORY_MAX, "analyze.models_memory_max", SIZE, "2GiB", 1 << 20,      \
		1024 * GIB, NULL, false, "Memory for the detectors of all workloads.")              \
	SETTING(SCALER_MODE, "scaler.mode", CHOICE, "shadow", 0, 0, "off|shadow|serve", true,       \
		"off; shadow: say how many replicas it would have, and count what that saves; "     \
		"serve: and have those that proved better acted on, by playbooks and by who asks.") \
	SETTING(SCALER_HPA_TARGET, "scaler.hpa_target", DOUBLE, "60", 1, 1000, NULL, true,          \
		"CPU utilization, in per cent, of the HPA that it is held against.")                \
	SETTING(SCALER_STARTUP, "scaler.startup", DURATION, "75s", 0, 15 * 60000, NULL, true,       \
		"From a pod's creation until it is ready.")                                         \
	SETTING(SCALER_REPLICAS_MIN, "scaler.replicas_min", INT, "1", 1, 10000, NULL, true,         \
		"It wants no fewer; at most guard.replicas_max.")                                   \
	SETTING(SCALER_SHADOW, "scaler.shadow", DURATION, "7d", HOUR_MS, 28 * 24 * HOUR_MS, NULL,   \
		true, "Time in shadow before a workload may be served.")                            \
	SETTING(SCALER_READING_AGE, "scaler.reading_age_max", DURATION, "1m", 15000, HOUR_MS,       \
		NULL, true, "Older readings are missing ones: then nothing is lowered.")            \
	SETTING(SCALER_POLICIES_MAX, "scaler.policies_max", INT, "200", 0, 100000, NULL, true,      \
		"Workloads with a policy that learns, the largest first; some 0.7 MB each.")        \
	SETTING(SCALER_OBJECTIVE, "scaler.objective", DOUBLE, "0.5", 0, 100, NULL, true,            \
		"Violated minutes and late requests, in per cent, that policies are tuned to.")     \
	SETTING(SCALER_PODS_MAX, "scaler.pods_max", INT, "0", 0, 100000000, NULL, true,             \
		"Replicas of all its workloads together; 0: no limit.")                             \
	SETTING(SCALER_NAMESPACE_PODS_MAX, "scaler.namespace_pods_max", INT, "0", 0, 100000000,     \
		NULL, true, "Replicas of its workloads in one namespace; 0: no limit.")             \
	SETTING(SCALER_PRICE, "scaler.pod_hour_price", DOUBLE, "0", 0, 1e6, NULL, true,             \
		"Price of a pod for an hour, to say savings in money; 0: not said.")                \
	SETTING(SCALER_COST_MAX, "scaler.cost_max", DOUBLE, "0", 0, 1e12, NULL, true,               \
		"What all its pods may cost an hour by that price; 0: no limit.")                   \
	SETTING(RIGHTSIZE_PRICE_CORE_HOUR, "rightsize.price_core_hour", DOUBLE, "0.031611", 0,      \
		1000000, NULL, true, "Price of a requested core for an hour, in any currency.")     \
	SETTING(RIGHTSIZE_PRICE_GIB_HOUR, "rightsize.price_gib_hour", DOUBLE, "0.004237", 0,        \
		1000000, NULL, true, "Price of a requested GiB of memory for an hour.")             \
	SETTING(RIGHTSIZE_CONTAINERS_MAX, "rightsize.containers_max", INT, "10000", 0, 1000000,     \
		NULL, false, "Containers that are sized, about 11 kB each; 0: none.")               \
	SETTING(MODELS_MLFLOW_URL, "models.mlflow_url", TEXT, "", 0, 0, NULL, false,                \
		"MLflow server that is told of trainings and of models put in place, "              \
		"https:// (http:// to this machine or without a token); empty: none.")              \
	SETTING(MODELS_MLFLOW_TOKEN_FILE, "models.mlflow_token_file", TEXT, "", 0, 0, NULL, false,  \
		"File with the bearer token for it, or with models.mlflow_user the password.")      \
	SETTING(MODELS_MLFLOW_USER, "models.mlflow_user", TEXT, "", 0, 0, NULL, false,              \
		"User of basic authentication there; empty: the token is a bearer token.")          \
	SETTING(MODELS_MLFLOW_CA_FILE, "models.mlflow_ca_file", TEXT, "", 0, 0, NULL, false,        \
		"Authorities of its certificate; empty: the system's.")                             \
	SETTING(MODELS_MLFLOW_EXPERIMENT, "models.mlflow_experiment", TEXT, "nimbusguard", 0, 0,    \
		NULL, false, "Experiment of the runs; made when it is not there.")                  \
	SETTING(MODELS_MLFLOW_MODEL, "models.mlflow_model", TEXT, "nimbusguard-forecast", 0, 0,     \
		NULL, false, "Registered model whose versions they become.")                        \
	SETTING(WRITE_OUT_URL, "remote_write_out.url", TEXT, "", 0, 0, NULL, false,                 \
		"Receiver of remote write that scores, forecasts and the like are "                 \
		"written to, such as http://127.0.0.1:9090/api/v1/write; empty: "                   \
		"none.")                                                                            \
	SETTING(WRITE_OUT_PROTOCOL, "remote_write_out.protocol", CHOICE, "auto", 0, 0,              \
		"auto|1.0|2.0", false,                                                              \
		"Of remote write; auto: 2.0 where the receiver takes it, else 1.0.")                \
	SETTING(WRITE_OUT_INTERVAL, "remote_write_out.interval", DURATION, "30s", 100, HOUR_MS,     \
		NULL, false, "Time from one sample of a series to the next.")                       \
	SETTING(WRITE_OUT_METRICS, "remote_write_out.metrics", LIST,                                \
		"nimbusguard_anomaly_score,nimbusguard_workload_anomaly_score,"                     \
		"nimbusguard_forecast,nimbusguard_forecast_skill,nimbusguard_forecast_peak,"        \
		"nimbusguard_scaler_wanted_replicas",                                               \
		0, 0, NULL, false,                                                                  \
		"Counters and gauges of the metrics page to write; a name may end "                 \
		"with *.")                                                                          \
	SETTING(WRITE_OUT_EXTERNAL_LABELS, "remote_write_out.external_labels", LIST, "", 0, 0,      \
		NULL, false,                                                                        \
		"Labels of all series, name=value; replicas need one that tells "                   \
		"them apart.")                                                                      \
	SETTING(WRITE_OUT_HEADERS, "remote_write_out.headers", LIST, "", 0, 0, NULL, false,         \
		"Headers of each request, NAME=VALUE, such as X-Scope-OrgID=shop.")                 \
	SETTING(WRITE_OUT_HEADER_FILES, "remote_write_out.header_files", LIST, "", 0, 0, NULL,      \
		false, "The same with values that are secret, NAME=FILE.")                          \
	SETTING(WRITE_OUT_TOKEN_FILE, "remote_write_out.token_file", TEXT, "", 0, 0, NULL, false,   \
		"File with the bearer token for it.")                                               \
	SETTING(WRITE_OUT_USERNAME, "remote_write_out.username", TEXT, "", 0, 0, NULL, false,       \
		"User of basic authentication for it.")                                             \
	SETTING(WRITE_OUT_PASSWORD_FILE, "remote_write_out.password_file", TEXT, "", 0, 0, NULL,    \
		false, "File with the user's password.")                                            \
	SETTING(WRITE_OUT_CA_FILE, "remote_write_out.ca_file", TEXT, "", 0, 0, NULL, false,         \
		"Authorities of its certificate; empty: the system's.")                             \
	SETTING(WRITE_OUT_CERT_FILE, "remote_write_out.cert_file", TEXT, "", 0, 0, NULL, false,     \
		"Certificate of our own for it.")                                                   \
	SETTING(WRITE_OUT_KEY_FILE, "remote_write_out.key_file", TEXT, "", 0, 0, NULL, false,       \
		"Its key.")                                                                         \
	SETTING(WRITE_OUT_TIMEOUT, "remote_write_out.timeout", DURATION, "30s", 100, HOUR_MS,       \
		NULL, false, "Of one request.")                                                     \
	SETTING(WRITE_OUT_SERIES_MAX, "remote_write_out.series_max", INT, "200000", 1, 10000000,    \
		NULL, false, "Series; further ones are left out and counted.")                      \
	SETTING(WRITE_OUT_QUEUE_MAX, "remote_write_out.queue_max", SIZE, "16MiB", 65536, 16 * GIB,  \
		NULL, false, "Compressed requests that wait; past that the oldest are dropped.")    \
	SETTING(WRITE_OUT_AGE_MAX, "remote_write_out.age_max", DURATION, "10m", 1000,               \
		24 * HOUR_MS, NULL, false,                                                          \
		"A request that could not be sent for so long is dropped.")                         \
	SETTING(WRITE_OUT_FLUSH, "remote_write_out.flush", DURATION, "5s", 0, 60000, NULL, false,   \
		"At the end of the service what waits is tried for so long.")                       \
	SETTING(ALERTMANAGER_URL, "alertmanager.url", TEXT, "", 0, 0, NULL, false,                  \
		"Alertmanager for silences, https:// or http:// to this machine; empty: none.")     \
	SETTING(ALERTMANAGER_TOKEN_FILE, "alertmanager.token_file", TEXT, "", 0, 0, NULL, false,    \
		"File with the bearer token for it, or with alertmanager.user the password.")       \
	SETTING(ALERTMANAGER_USER, "alertmanager.user", TEXT, "", 0, 0, NULL, false,                \
		"User of basic authentication there; empty: the token is a bearer token.")          \
	SETTING(ALERTMANAGER_CA_FILE, "alertmanager.ca_file", TEXT, "", 0, 0, NULL, false,          \
		"Authorities of its certificate; empty: the system's.")                             \
	SETTING(REMEDIATE_PLAYBOOKS, "remediate.playbooks", LIST, "", 0, 0, NULL, true,             \
		"Playbook files or folders; empty: the bundled rules/playbooks.")                   \
	SETTING(MODE, "mode", CHOICE, "observe", 0, 0, MODE_CHOICES, true,                          \
		"observe: decide and record; suggest: and propose; approve: act after approval; "   \
		"auto: act when the guard clears.")                                                 \
	SETTING(DRY_RUN, "dry_run", BOOL, "true", 0, 0, NULL, false,                                \
		"Change nothing; --no-dry-run is needed to act.")                                   \
	SETTING(PAUSED, "paused", BOOL, "false", 0, 0, NULL, true,                                  \
		"The kill switch: decide and record, act on nothing.")                              \
	SETTING(OPT_IN, "remediate.opt_in", TEXT, "", 0, 0, NULL, true,                             \
		"Selector of workloads that are managed without the annotation "                    \
		"nimbusguard.io/managed.")                                                          \
	SETTING(EVENT_QUEUE_MAX, "remediate.event_queue_max", INT, "20000", 10, 10000000, NULL,     \
		false, "Events waiting for the engine; past that webhooks are answered 503.")       \
	SETTING(INCIDENTS_MAX, "remediate.incidents_max", INT, "10000", 10, 1000000, NULL, false,   \
		"Incidents in memory.")                                                             \
	SETTING(KUBE_URL, "kubernetes.url", TEXT, "", 0, 0, NULL, false,                            \
		"API server; empty: inside a cluster its own, elsewhere none.")                     \
	SETTING(KUBE_CONFIG, "kubernetes.kubeconfig", TEXT, "", 0, 0, NULL, false,                  \
		"kubeconfig file that says how to reach the cluster, in place of kubernetes.url, "  \
		"token_file and ca_file; $KUBECONFIG is not read.")                                 \
	SETTING(KUBE_CONTEXT, "kubernetes.context", TEXT, "", 0, 0, NULL, false,                    \
		"Context of that file; empty: its current-context.")                                \
	SETTING(KUBE_WATCH, "kubernetes.watch", BOOL, "true", 0, 0, NULL, false,                    \
		"Follow namespaces and autoscalers instead of reading them at each look.")          \
	SETTING(KUBE_NAMESPACES, "kubernetes.namespaces", LIST, "", 0, 0, NULL, false,              \
		"Namespaces in which the service has its roles, as given to `nimbusguard rbac "     \
		"--namespace`; empty: all.")                                                        \
	SETTING(KUBE_EVENTS, "kubernetes.events", BOOL, "true", 0, 0, NULL, false,                  \
		"Write Kubernetes Events on objects that are acted on; never in a dry run.")        \
	SETTING(KUBE_WATCH_OBJECTS, "kubernetes.watch_objects_max", INT, "50000", 100, 10000000,    \
		NULL, false, "Objects followed; a kind that does not fit is read.")                 \
	SETTING(KUBE_TOKEN_FILE, "kubernetes.token_file", TEXT, "", 0, 0, NULL, false,              \
		"File with the bearer token.")                                                      \
	SETTING(KUBE_CA_FILE, "kubernetes.ca_file", TEXT, "", 0, 0, NULL, false,                    \
		"File with the certificate authority.")                                             \
	SETTING(GUARD_COOLDOWN, "guard.cooldown", DURATION, "5m", 0, 24 * HOUR_MS, NULL, true,      \
		"Between two actions on one target.")                                               \
	SETTING(GUARD_STARTUP_GRACE, "guard.startup_grace", DURATION, "2m", 0, 24 * HOUR_MS, NULL,  \
		true, "After a start nothing is changed for so long.")                              \
	SETTING(GUARD_FREEZE, "guard.freeze", LIST, "", 0, 0, NULL, true,                           \
		"Windows in which nothing is changed, such as `22:00-06:00` (every day), "          \
		"`Fri 16:00-Mon 06:00 Europe/Berlin` or `2026-12-23 18:00-2027-01-04 06:00`; UTC "  \
		"where no zone is named.")                                                          \
	SETTING(GUARD_WINDOW, "guard.window", DURATION, "1h", 60000, 168 * HOUR_MS, NULL, true,     \
		"Sliding window of the budgets below.")                                             \
	SETTING(GUARD_PER_TARGET, "guard.per_target", INT, "3", 0, 100000, NULL, true,              \
		"Actions on one target in the window.")                                             \
	SETTING(GUARD_PER_NAMESPACE, "guard.per_namespace", INT, "10", 0, 100000, NULL, true,       \
		"Actions in one namespace in the window.")                                          \
	SETTING(GUARD_PER_KIND, "guard.per_kind", INT, "20", 0, 100000, NULL, true,                 \
		"Actions of one kind in the window.")                                               \
	SETTING(GUARD_PER_CLUSTER, "guard.per_cluster", INT, "30", 0, 100000, NULL, true,           \
		"Actions in the cluster in the window.")                                            \
	SETTING(GUARD_PODS_PERCENT, "guard.pods_percent", INT, "100", 0, 100, NULL, true,           \
		"Share of a workload's pods, rounded down, that is changed in the window; 100: "    \
		"no bound.")                                                                        \
	SETTING(GUARD_WORKLOADS_PERCENT, "guard.workloads_percent", INT, "100", 0, 100, NULL,       \
		true,                                                                               \
		"Share of a namespace's workloads (those in the stream of samples), rounded "       \
		"down, that is changed in the window; 100: no bound.")                              \
	SETTING(GUARD_NODES_PERCENT, "guard.nodes_percent", INT, "100", 0, 100, NULL, true,         \
		"Share of the cluster's nodes, rounded down, that is cordoned by us at a time; "    \
		"100: no bound. Needs to list nodes.")                                              \
	SETTING(GUARD_CONCURRENT, "guard.concurrent", INT, "5", 0, 10000, NULL, true,               \
		"Actions under way at once.")                                                       \
	SETTING(GUARD_INEFFECTIVE_MAX, "guard.ineffective_max", INT, "2", 0, 1000, NULL, true,      \
		"Ineffective outcomes of a playbook on a target before it is handed over.")         \
	SETTING(GUARD_STORM_ALERTS, "guard.storm_alerts", INT, "100", 1, 1000000, NULL, true,       \
		"Firing events within guard.storm_window above which nothing is done.")             \
	SETTING(GUARD_STORM_WINDOW, "guard.storm_window", DURATION, "1m", 1000, HOUR_MS, NULL,      \
		true, "Window of guard.storm_alerts.")                                              \
	SETTING(GUARD_CHANGE_MAX, "guard.cumulative_change_max", DOUBLE, "4", 1, 1000, NULL, true,  \
		"Factor by which replicas or memory may grow within the window.")                   \
	SETTING(GUARD_REPLICAS_MAX, "guard.replicas_max", INT, "50", 1, 100000, NULL, true,         \
		"Replicas are never raised above this.")                                            \
	SETTING(GUARD_CONFIDENCE_MIN, "guard.confidence_min", DOUBLE, "0.8", 0, 1, NULL, true,      \
		"Confidence that a finding must have to cause an action.")                          \
	SETTING(GUARD_HANDS_OFF, "guard.hands_off", DURATION, "4h", 0, 168 * HOUR_MS, NULL, true,   \
		"A field that somebody else wrote after us, or a person by hand, is left alone "    \
		"for so long.")                                                                     \
	SETTING(GUARD_DEMOTE_AFTER, "guard.demote_after", INT, "3", 0, 1000, NULL, true,            \
		"Ineffective outcomes of a playbook in a namespace within guard.window after "      \
		"which it acts only when approved, until a person lifts that; one that made "       \
		"things worse is enough. 0: never.")                                                \
	SETTING(GUARD_PROMOTE_OUTCOMES, "guard.promote_outcomes", INT, "20", 0, 1000000, NULL,      \
		true, "Outcomes that are needed before a higher mode is proposed; 0: never.")       \
	SETTING(GUARD_PROMOTE_PRECISION, "guard.promote_precision", DOUBLE, "0.8", 0, 1, NULL,      \
		true, "Lower bound (95 %) of the share of right answers from which it is.")         \
	SETTING(GUARD_WORSE_BY, "guard.worse_by", DOUBLE, "0.2", 0, 1000, NULL, true,               \
		"Share by which a signal has to be worse after a change than before to have it "    \
		"rolled back; 0: never.")                                                           \
	SETTING(GUARD_APPROVAL_WAIT, "guard.approval_wait", DURATION, "1h", 60000, 168 * HOUR_MS,   \
		NULL, true, "A plan waits so long for people, then it is handed over.")             \
	SETTING(GUARD_APPROVAL_VALID, "guard.approval_valid", DURATION, "15m", 10000,               \
		24 * HOUR_MS, NULL, true,                                                           \
		"An approval that could not be carried out for so long is void.")                   \
	SETTING(GUARD_TWO_PERSONS, "guard.two_persons", LIST, "", 0, 0, NULL, true,                 \
		"Actions that two persons of different identity have to approve, in mode auto "     \
		"too: `destructive` (what restarts or removes pods), or an action such as "         \
		"`scale`.")                                                                         \
	SETTING(LEADER_ENABLED, "leader_election.enabled", BOOL, "false", 0, 0, NULL, false,        \
		"Of several replicas only the holder of a Lease acts; the others stand by.")        \
	SETTING(LEADER_NAME, "leader_election.name", TEXT, "nimbusguard", 0, 0, NULL, false,        \
		"Name of the Lease; the same for all replicas.")                                    \
	SETTING(LEADER_NAMESPACE, "leader_election.namespace", TEXT, "", 0, 0, NULL, false,         \
		"Namespace of the Lease; empty: that of the pod.")                                  \
	SETTING(LEADER_IDENTITY, "leader_election.identity", TEXT, "", 0, 0, NULL, false,           \
		"Name of this replica, to which something random is added; empty: the host's.")     \
	SETTING(LEADER_URL, "leader_election.url", TEXT, "", 0, 0, NULL, false,                     \
		"This replica's API as the others reach it, https (http on loopback only).")        \
	SETTING(LEADER_PEER_TOKEN, "leader_election.peer_token_file", TEXT, "", 0, 0, NULL, false,  \
		"Bearer token (role read) with which the leader is asked what it did.")             \
	SETTING(LEADER_PEER_CA, "leader_election.peer_ca_file", TEXT, "", 0, 0, NULL, false,        \
		"Authorities for the other replicas' certificates; empty: the system's.")           \
	SETTING(LEADER_DURATION, "leader_election.lease_duration", DURATION, "15s", 1000, HOUR_MS,  \
		NULL, false, "After so long without a renewal another replica takes the lead.")     \
	SETTING(LEADER_RENEW, "leader_election.renew_deadline", DURATION, "10s", 500, HOUR_MS,      \
		NULL, false, "A leader that could not renew for so long stops acting.")             \
	SETTING(LEADER_RETRY, "leader_election.retry_period", DURATION, "2s", 100, HOUR_MS, NULL,   \
		false, "Time between two tries to take or renew the Lease.")                        \
	SETTING(JOURNAL_KEEP, "journal.keep", DURATION, "30d", 3600000, 87600 * HOUR_MS, NULL,      \
		false, "Ended records are kept for so long.")                                       \
	SETTING(JOURNAL_VERIFY_INTERVAL, "journal.verify_interval", DURATION, "6h", 0,              \
		87600 * HOUR_MS, NULL, false,                                                       \
		"How often the journal's chain of hashes is verified, first at start; 0: never.")   \
	SETTING(FEATURES, "enable_feature", LIST, "ingest,analyze,remediate", 0, 0, NULL, false,    \
		"Parts that run: ingest, analyze, remediate.")                                      \
	SETTING(LOG_LEVEL, "log.level", CHOICE, "info", 0, 0, "debug|info|warn|error", true,        \
		"Least level of the lines written.")                                                \
	SETTING(LOG_FORMAT, "log.format", CHOICE, "logfmt", 0, 0, "logfmt|json", true,              \
		"Form of the lines written.")

#endif
