/*
 * All metrics of the product, in the order of the metrics page.
 * METRIC(id, name, type, help, "label,label"). Lint: promtool check metrics on the page, and every
 * nimbusguard_ name in rules/, dashboards/ and docs/ must stand here.
 */
#ifndef NIMBUSGUARD_BASE_METRIC_TABLE_H
#define NIMBUSGUARD_BASE_METRIC_TABLE_H

#define METRIC_TABLE(METRIC)                                                                                                         \
	METRIC(BUILD_INFO, "nimbusguard_build_info", METRIC_GAUGE,                                                                   \
		"Version and revision of the running program, always 1.", "version,revision")                                        \
	METRIC(MODE_INFO, "nimbusguard_mode_info", METRIC_GAUGE,                                                                     \
		"Mode of the service and whether it is a dry run, always 1.", "mode,dry_run")                                        \
	METRIC(CONFIG_RELOAD_SUCCESS, "nimbusguard_config_last_reload_successful", METRIC_GAUGE,                                     \
		"Whether the last reload of the configuration was taken (1) or refused (0).", "")                                    \
	METRIC(CONFIG_RELOAD_TIME, "nimbusguard_config_last_reload_success_timestamp_seconds",                                       \
		METRIC_GAUGE, "When the configuration in force was loaded.", "")                                                     \
	METRIC(OPERATOR_HEALTH, "nimbusguard_operator_health", METRIC_GAUGE,                                                         \
		"Health of a component: 1 working, 0 not.", "component")                                                             \
	METRIC(HTTP_REQUESTS, "nimbusguard_http_requests_total", METRIC_COUNTER,                                                     \
		"HTTP requests answered, by route and status code.", "handler,code")                                                 \
	METRIC(HTTP_DURATION, "nimbusguard_http_request_duration_seconds", METRIC_HISTOGRAM,                                         \
		"Time from the request line to the answer, by route.", "handler")                                                    \
	METRIC(HTTP_REJECTED, "nimbusguard_http_rejected_total", METRIC_COUNTER,                                                     \
		"Requests refused before their handler ran, by reason.", "reason")                                                   \
	METRIC(HTTP_SLOTS_BUSY, "nimbusguard_http_slots_busy", METRIC_GAUGE,                                                         \
		"Request body slots in use.", "")                                                                                    \
	METRIC(HTTP_SLOTS, "nimbusguard_http_slots", METRIC_GAUGE,                                                                   \
		"Request body slots configured.", "")                                                                                \
	METRIC(RW_REQUESTS, "nimbusguard_remote_write_requests_total", METRIC_COUNTER,                                               \
		"Remote-write requests by outcome.", "outcome")                                                                      \
	METRIC(RW_VERSIONS, "nimbusguard_remote_write_messages_total", METRIC_COUNTER,                                               \
		"Remote-write requests by version of the protocol.", "version")                                                      \
	METRIC(RW_BYTES, "nimbusguard_remote_write_received_bytes_total", METRIC_COUNTER,                                            \
		"Bytes of remote-write bodies as received, still compressed.", "")                                                   \
	METRIC(RW_DECODED_BYTES, "nimbusguard_remote_write_decoded_bytes_total", METRIC_COUNTER,                                     \
		"Bytes of remote-write bodies after decompression.", "")                                                             \
	METRIC(RW_SAMPLES, "nimbusguard_remote_write_samples_total", METRIC_COUNTER,                                                 \
		"Float samples received, by what became of them.", "result")                                                         \
	METRIC(RW_HISTOGRAMS, "nimbusguard_remote_write_histograms_total", METRIC_COUNTER,                                           \
		"Native histograms of series that keep them, by what became of them.", "result")                                     \
	METRIC(RW_EXEMPLARS, "nimbusguard_remote_write_exemplars_total", METRIC_COUNTER,                                             \
		"Exemplars of series that keep them, by what became of them.", "result")                                             \
	METRIC(RW_SKIPPED, "nimbusguard_remote_write_skipped_total", METRIC_COUNTER,                                                 \
		"Parts of requests accepted but not used yet, by kind.", "kind")                                                     \
	METRIC(RW_INVALID, "nimbusguard_remote_write_invalid_total", METRIC_COUNTER,                                                 \
		"Series or requests refused, by reason.", "reason")                                                                  \
	METRIC(RW_FAILOVERS, "nimbusguard_remote_write_ha_failovers_total", METRIC_COUNTER,                                          \
		"Times that another replica of an HA pair was elected.", "")                                                         \
	METRIC(RW_CLUSTERS, "nimbusguard_remote_write_ha_clusters", METRIC_GAUGE,                                                    \
		"Clusters of HA pairs whose elected replica is remembered.", "")                                                     \
	METRIC(STORE_SERIES, "nimbusguard_store_series", METRIC_GAUGE, "Series in memory.", "")                                      \
	METRIC(STORE_SERIES_LIMIT, "nimbusguard_store_series_limit", METRIC_GAUGE,                                                   \
		"Series that may be in memory at most.", "")                                                                         \
	METRIC(STORE_SERIES_CREATED, "nimbusguard_store_series_created_total", METRIC_COUNTER,                                       \
		"Series created, without those of a snapshot.", "")                                                                  \
	METRIC(STORE_SERIES_REMOVED, "nimbusguard_store_series_removed_total", METRIC_COUNTER,                                       \
		"Series removed, by reason.", "reason")                                                                              \
	METRIC(STORE_BYTES, "nimbusguard_store_memory_bytes", METRIC_GAUGE,                                                          \
		"Memory held by the store.", "")                                                                                     \
	METRIC(STORE_BYTES_LIMIT, "nimbusguard_store_memory_limit_bytes", METRIC_GAUGE,                                              \
		"Memory that the store may hold at most.", "")                                                                       \
	METRIC(STORE_SAMPLES, "nimbusguard_store_samples", METRIC_GAUGE,                                                             \
		"Samples held in the rings.", "")                                                                                    \
	METRIC(STORE_OVERWRITTEN, "nimbusguard_store_overwritten_samples_total", METRIC_COUNTER,                                     \
		"Samples given up within the retention because the memory was full.", "")                                            \
	METRIC(BACKFILL_STATE, "nimbusguard_backfill_state", METRIC_GAUGE,                                                           \
		"State of fetching history from Prometheus: 1 for the one that holds.", "state")                                     \
	METRIC(BACKFILL_PROGRESS, "nimbusguard_backfill_progress_ratio", METRIC_GAUGE,                                               \
		"Share of the history that was asked for and answered.", "")                                                         \
	METRIC(BACKFILL_SERIES, "nimbusguard_backfill_series_total", METRIC_COUNTER,                                                 \
		"Series that got history from Prometheus.", "")                                                                      \
	METRIC(BACKFILL_SAMPLES, "nimbusguard_backfill_samples_total", METRIC_COUNTER,                                               \
		"Samples fetched as history, by what became of them.", "result")                                                     \
	METRIC(BACKFILL_FAILURES, "nimbusguard_backfill_failures_total", METRIC_COUNTER,                                             \
		"Failures of fetching history, by reason.", "reason")                                                                \
	METRIC(BACKFILL_DURATION, "nimbusguard_backfill_duration_seconds", METRIC_GAUGE,                                             \
		"Time that fetching history took from the first answer on, or takes so far.", "")                                    \
	METRIC(STORE_RECORDS, "nimbusguard_store_records", METRIC_GAUGE,                                                             \
		"Native histograms and exemplars held, by kind.", "kind")                                                            \
	METRIC(STORE_RECORD_BYTES, "nimbusguard_store_record_bytes", METRIC_GAUGE,                                                   \
		"Memory of these, a part of the store's, by kind.", "kind")                                                          \
	METRIC(STORE_RECORD_BYTES_LIMIT, "nimbusguard_store_record_limit_bytes", METRIC_GAUGE,                                       \
		"Memory that these may take at most, by kind.", "kind")                                                              \
	METRIC(SNAPSHOT_TIME, "nimbusguard_snapshot_last_success_timestamp_seconds", METRIC_GAUGE,                                   \
		"When the newest snapshot on disk was taken; 0: there is none.", "")                                                 \
	METRIC(SNAPSHOT_DURATION, "nimbusguard_snapshot_duration_seconds", METRIC_GAUGE,                                             \
		"Time that the last snapshot took to write.", "")                                                                    \
	METRIC(SNAPSHOT_BYTES, "nimbusguard_snapshot_bytes", METRIC_GAUGE,                                                           \
		"Size of the newest snapshot.", "")                                                                                  \
	METRIC(SNAPSHOT_FAILURES, "nimbusguard_snapshot_failures_total", METRIC_COUNTER,                                             \
		"Snapshots that could not be written or were refused at start; series written without samples.",                     \
		"operation")                                                                                                         \
	METRIC(SNAPSHOT_LOADED, "nimbusguard_snapshot_loaded_series", METRIC_GAUGE,                                                  \
		"Series that were loaded from a snapshot at start.", "")                                                             \
	METRIC(RECORDING_BYTES, "nimbusguard_recording_bytes_total", METRIC_COUNTER,                                                 \
		"Bytes written to the recording of what is received.", "")                                                           \
	METRIC(RECORDING_DROPPED, "nimbusguard_recording_dropped_total", METRIC_COUNTER,                                             \
		"Bodies left out of the recording: the disk is too slow, or refuses.", "")                                           \
	METRIC(ROLLUP_SIGNALS, "nimbusguard_rollup_signals", METRIC_GAUGE,                                                           \
		"Signals in the 1-minute tier.", "")                                                                                 \
	METRIC(ROLLUP_SIGNALS_LIMIT, "nimbusguard_rollup_signals_limit", METRIC_GAUGE,                                               \
		"Signals that the 1-minute tier may hold at most.", "")                                                              \
	METRIC(ROLLUP_BYTES, "nimbusguard_rollup_bytes", METRIC_GAUGE,                                                               \
		"File of the 1-minute tier: on disk, and of it in memory.", "kind")                                                  \
	METRIC(ROLLUP_WRITTEN, "nimbusguard_rollup_written_total", METRIC_COUNTER,                                                   \
		"Minutes of signals written to the 1-minute tier, also once more with more "                                         \
		"samples.",                                                                                                          \
		"")                                                                                                                  \
	METRIC(ROLLUP_GAPS, "nimbusguard_rollup_gaps_total", METRIC_COUNTER,                                                         \
		"Minutes without samples between minutes of signals of the 1-minute tier.", "")                                      \
	METRIC(ROLLUP_REFUSED, "nimbusguard_rollup_refused_total", METRIC_COUNTER,                                                   \
		"What the 1-minute tier did not take, by reason: minutes (full, disk, late, "                                        \
		"ahead), signals (damaged) or files (file).",                                                                        \
		"reason")                                                                                                            \
	METRIC(ALERTS_RECEIVED, "nimbusguard_alerts_received_total", METRIC_COUNTER,                                                 \
		"Alerts in webhook messages, by status.", "status")                                                                  \
	METRIC(ALERTS_INVALID, "nimbusguard_alerts_invalid_total", METRIC_COUNTER,                                                   \
		"Alerts that could not be used, by reason; the rest of their message was kept.",                                     \
		"reason")                                                                                                            \
	METRIC(ALERTS_TRUNCATED, "nimbusguard_alerts_truncated_total", METRIC_COUNTER,                                               \
		"Alerts cut off by the sender's max_alerts or by the limit on alerts.", "")                                          \
	METRIC(ALERTS_DUPLICATE, "nimbusguard_alerts_duplicate_total", METRIC_COUNTER,                                               \
		"Alerts already known by fingerprint, start and status.", "")                                                        \
	METRIC(ALERT_PERSIST_SECONDS, "nimbusguard_alert_persist_seconds", METRIC_HISTOGRAM,                                         \
		"Time from a parsed webhook to its commit in the journal.", "")                                                      \
	METRIC(SIGNALS, "nimbusguard_signals", METRIC_GAUGE,                                                                         \
		"Signals bound to workloads, by role.", "role")                                                                      \
	METRIC(WORKLOADS, "nimbusguard_workloads", METRIC_GAUGE, "Workloads seen.", "")                                              \
	METRIC(SCAN_SECONDS, "nimbusguard_scan_duration_seconds", METRIC_HISTOGRAM,                                                  \
		"Time of one scan over all workloads.", "")                                                                          \
	METRIC(ROWS, "nimbusguard_rows_total", METRIC_COUNTER,                                                                       \
		"Minutes of workloads taken into the features, by the verdict on their data.",                                       \
		"verdict")                                                                                                           \
	METRIC(FEATURES_BYTES, "nimbusguard_features_bytes", METRIC_GAUGE,                                                           \
		"Memory of the features of all workloads: rolling windows, seasons, and the samples judged against.",                \
		"")                                                                                                                  \
	METRIC(WORKLOAD_SCORE, "nimbusguard_workload_anomaly_score", METRIC_GAUGE,                                                   \
		"How unusual the last minute of a workload was to its detector: -log10 of the "                                      \
		"probability that a usual minute scores as high.",                                                                   \
		"namespace,workload_kind,workload")                                                                                  \
	METRIC(DETECTORS, "nimbusguard_detectors", METRIC_GAUGE,                                                                     \
		"Workloads by the state of their detector.", "state")                                                                \
	METRIC(MODELS_BYTES, "nimbusguard_models_bytes", METRIC_GAUGE,                                                               \
		"Memory of the detectors of all workloads.", "")                                                                     \
	METRIC(MODEL_FITS, "nimbusguard_model_fits_total", METRIC_COUNTER,                                                           \
		"What was learnt in the background, by kind (detect, forecast, peak) and outcome; unavailable: too little.",         \
		"kind,outcome")                                                                                                      \
	METRIC(MLFLOW_RUNS, "nimbusguard_mlflow_runs_total", METRIC_COUNTER,                                                         \
		"Trainings for MLflow, by what came of a try: told, retry, refused, dropped (too many waited).",                     \
		"result")                                                                                                            \
	METRIC(MLFLOW_QUEUE, "nimbusguard_mlflow_queue", METRIC_GAUGE,                                                               \
		"Trainings that MLflow is yet to be told of.", "")                                                                   \
	METRIC(WRITE_OUT_SAMPLES, "nimbusguard_remote_write_out_samples_total", METRIC_COUNTER,                                      \
		"Samples and staleness markers for remote write out, by what became of them: sent, refused, "                        \
		"dropped_full (queue), dropped_old, dropped_memory, dropped_end (of the service).",                                  \
		"result")                                                                                                            \
	METRIC(WRITE_OUT_REQUESTS, "nimbusguard_remote_write_out_requests_total", METRIC_COUNTER,                                    \
		"Requests of remote write out, by what came of a try: sent, retry, refused.",                                        \
		"result")                                                                                                            \
	METRIC(WRITE_OUT_QUEUE, "nimbusguard_remote_write_out_queue", METRIC_GAUGE,                                                  \
		"Samples that are yet to be sent by remote write out.", "")                                                          \
	METRIC(WRITE_OUT_QUEUE_BYTES, "nimbusguard_remote_write_out_queue_bytes", METRIC_GAUGE,                                      \
		"Their compressed requests.", "")                                                                                    \
	METRIC(WRITE_OUT_SERIES, "nimbusguard_remote_write_out_series", METRIC_GAUGE,                                                \
		"Series that remote write out told of in its last round.", "")                                                       \
	METRIC(WRITE_OUT_LEFT_OUT, "nimbusguard_remote_write_out_left_out_total", METRIC_COUNTER,                                    \
		"Samples that remote write out did not take, by reason: limit (remote_write_out.series_max), "                       \
		"memory, labels.",                                                                                                   \
		"reason")                                                                                                            \
	METRIC(TRAINING_SECONDS, "nimbusguard_training_duration_seconds", METRIC_HISTOGRAM,                                          \
		"Time that learning took for one workload, by kind.", "kind")                                                        \
	METRIC(MODELS_KEPT, "nimbusguard_models_kept_total", METRIC_COUNTER,                                                         \
		"States of models written to files, by kind (detect, forecast, peak, scaler, policy) and outcome.",                  \
		"kind,outcome")                                                                                                      \
	METRIC(MODELS_RESTORED, "nimbusguard_models_restored_total", METRIC_COUNTER,                                                 \
		"States of models looked for in files after a start, by kind (detect, forecast, peak, scaler, policy) and outcome.", \
		"kind,outcome")                                                                                                      \
	METRIC(LSTM_TRAININGS, "nimbusguard_lstm_trainings_total", METRIC_COUNTER,                                                   \
		"Trainings of the net for all workloads: promoted, kept (what serves is better), failed, ended.",                    \
		"outcome")                                                                                                           \
	METRIC(LSTM_EPOCH, "nimbusguard_lstm_training_epoch", METRIC_GAUGE,                                                          \
		"Epochs that its training has behind it; 0: none runs.", "")                                                         \
	METRIC(LSTM_HOLDOUT_LOSS, "nimbusguard_lstm_holdout_loss", METRIC_GAUGE,                                                     \
		"Pinball loss of the net in training on what is held out, after the last epoch.",                                    \
		"")                                                                                                                  \
	METRIC(LSTM_RELATIVE_ERROR, "nimbusguard_lstm_relative_error", METRIC_GAUGE,                                                 \
		"Error of the net that serves over that of the last value, at its last exam.", "")                                   \
	METRIC(INFERENCE_SECONDS, "nimbusguard_inference_duration_seconds", METRIC_HISTOGRAM,                                        \
		"Time of one scan that went into detectors or forecasters, over all workloads.",                                     \
		"kind")                                                                                                              \
	METRIC(LEFT_OUT, "nimbusguard_metrics_left_out_total", METRIC_COUNTER,                                                       \
		"Values that found no place among the 131,072 label sets of a metric and went to those of other.",                   \
		"metric")                                                                                                            \
	METRIC(FORECAST, "nimbusguard_forecast", METRIC_GAUGE,                                                                       \
		"Forecast of a signal in its own unit, by horizon and quantile.",                                                    \
		"namespace,workload_kind,workload,role,horizon,quantile")                                                            \
	METRIC(FORECAST_SKILL, "nimbusguard_forecast_skill", METRIC_GAUGE,                                                           \
		"1 minus the error of the forecasts over that of the last value, over about a day.",                                 \
		"namespace,workload_kind,workload,role,horizon")                                                                     \
	METRIC(FORECAST_PEAK, "nimbusguard_forecast_peak", METRIC_GAUGE,                                                             \
		"Highest minute of a signal in the next fifteen, at quantiles .5 .9 .95 .99, where it is foreseen.",                 \
		"namespace,workload_kind,workload,role,horizon,quantile")                                                            \
	METRIC(FORECAST_PEAK_SKILL, "nimbusguard_forecast_peak_skill", METRIC_GAUGE,                                                 \
		"1 minus the loss of the forecast of the highest minute over that of fixed multiples of the level.",                 \
		"namespace,workload_kind,workload,role,horizon")                                                                     \
	METRIC(PEAK_TRAININGS, "nimbusguard_forecast_peak_trainings_total", METRIC_COUNTER,                                          \
		"Nets for the highest minute that were fitted: promoted, or the one that served was kept.",                          \
		"outcome")                                                                                                           \
	METRIC(SCALER_WANTED, "nimbusguard_scaler_wanted_replicas", METRIC_GAUGE,                                                    \
		"Replicas that the scaler (ours), an HPA and a static number would have now, on the same traffic.",                  \
		"namespace,workload_kind,workload,policy")                                                                           \
	METRIC(SCALER_SERVING, "nimbusguard_scaler_serving", METRIC_GAUGE,                                                           \
		"Whether what the scaler wants of a workload is acted on (1), or it is in shadow (0).",                              \
		"namespace,workload_kind,workload")                                                                                  \
	METRIC(SCALER_WORKLOADS, "nimbusguard_scaler_workloads", METRIC_GAUGE,                                                       \
		"Workloads that the scaler follows, by state.", "state")                                                             \
	METRIC(SCALER_REWARD, "nimbusguard_scaler_reward", METRIC_GAUGE,                                                             \
		"Reward of the last ten minutes: efficiency 40 %, SLA 40 %, stability 20 %; of the first 1,500 workloads.",          \
		"namespace,workload_kind,workload,policy")                                                                           \
	METRIC(SCALER_SAVED, "nimbusguard_scaler_saved_ratio", METRIC_GAUGE,                                                         \
		"Share of the pod-hours of another policy that the scaler saves on the same traffic; below 0: it takes more.",       \
		"namespace,workload_kind,workload,against")                                                                          \
	METRIC(SCALER_ERROR, "nimbusguard_scaler_prediction_error", METRIC_GAUGE,                                                    \
		"Mean of |ln(most that came / most that was predicted)| over windows of ten minutes, of late.",                      \
		"namespace,workload_kind,workload")                                                                                  \
	METRIC(SCALER_ARM, "nimbusguard_scaler_arm", METRIC_GAUGE,                                                                   \
		"1 by what makes the wish: rule (built in), setting, table, dqn; this and the next of the first 1,500 workloads.",   \
		"namespace,workload_kind,workload,arm")                                                                              \
	METRIC(SCALER_CONFIDENCE, "nimbusguard_scaler_decision_confidence", METRIC_GAUGE,                                            \
		"How sure a wish is by what its forecasts were worth, 0 to 1.",                                                      \
		"namespace,workload_kind,workload")                                                                                  \
	METRIC(SCALER_Q_VALUE, "nimbusguard_scaler_q_value", METRIC_GAUGE,                                                           \
		"What a learner (table, dqn) holds its best quantile of now, and the setting's own, to be worth.",                   \
		"namespace,workload_kind,workload,learner,action")                                                                   \
	METRIC(SCALER_EXPLORATION, "nimbusguard_scaler_exploration_ratio", METRIC_GAUGE,                                             \
		"Part of the minutes of a replay in which a learner tries any quantile; in service it never does.",                  \
		"namespace,workload_kind,workload,learner")                                                                          \
	METRIC(SCALER_TRIAL_PRICE, "nimbusguard_scaler_trial_price_ratio", METRIC_GAUGE,                                             \
		"Price of an arm over that of what it has to beat, less 1, on the replays of up to seven days, with 90 % bounds.",   \
		"namespace,workload_kind,workload,arm,against,bound")                                                                \
	METRIC(SCALER_TRIAL_BETTER, "nimbusguard_scaler_trial_better_ratio", METRIC_GAUGE,                                           \
		"Share of draws of those days in which the arm is the better one.",                                                  \
		"namespace,workload_kind,workload,arm,against")                                                                      \
	METRIC(SCALER_POD_SECONDS, "nimbusguard_scaler_pod_seconds", METRIC_GAUGE,                                                   \
		"Pod-seconds of all workloads that are followed, since they are, by policy.",                                        \
		"policy")                                                                                                            \
	METRIC(SCALER_LATE_SECONDS, "nimbusguard_scaler_violated_seconds", METRIC_GAUGE,                                             \
		"Seconds of workloads in which more than 5 % of the requests were late or failed, likewise.",                        \
		"policy")                                                                                                            \
	METRIC(SCALER_CUT, "nimbusguard_scaler_budget_cut_replicas", METRIC_GAUGE,                                                   \
		"Replicas that the shared budget does not leave to those who want them.", "")                                        \
	METRIC(SCALER_PROPOSALS, "nimbusguard_scaler_proposals_total", METRIC_COUNTER,                                               \
		"Proposals that began or grew, by direction.", "direction")                                                          \
	METRIC(RIGHTSIZE_REQUEST, "nimbusguard_rightsize_request", METRIC_GAUGE,                                                     \
		"Request of a container, cores or bytes: now, vpa, peak, forecast; of the first 1,500.",                             \
		"namespace,workload_kind,workload,container,resource,by")                                                            \
	METRIC(RIGHTSIZE_LIMIT, "nimbusguard_rightsize_limit", METRIC_GAUGE,                                                         \
		"Limit of a container, likewise, where one is set.",                                                                 \
		"namespace,workload_kind,workload,container,resource,by")                                                            \
	METRIC(RIGHTSIZE_OVER, "nimbusguard_rightsize_over_ratio", METRIC_GAUGE,                                                     \
		"Part of the minutes in which a container used more than it requests now.",                                          \
		"namespace,workload_kind,workload,container,resource")                                                               \
	METRIC(RIGHTSIZE_COST, "nimbusguard_rightsize_month_cost", METRIC_GAUGE,                                                     \
		"What the requests cost a month by rightsize.price_*: now, vpa, peak, forecast.",                                    \
		"namespace,by")                                                                                                      \
	METRIC(RIGHTSIZE_CONTAINERS, "nimbusguard_rightsize_containers", METRIC_GAUGE,                                               \
		"Containers by what can be said of them: ready, too_short (history), stale.",                                        \
		"verdict")                                                                                                           \
	METRIC(SCALER_LESSONS, "nimbusguard_scaler_lessons_total", METRIC_COUNTER,                                                   \
		"What the scaler learned in the background: learn (a policy from history), night (a "                                \
		"day replayed), lesson; by outcome.",                                                                                \
		"kind,outcome")                                                                                                      \
	METRIC(SCALER_LESSON_SECONDS, "nimbusguard_scaler_lesson_duration_seconds",                                                  \
		METRIC_HISTOGRAM, "Time that each took.", "kind")                                                                    \
	METRIC(DATA_QUALITY, "nimbusguard_signal_quality", METRIC_GAUGE,                                                             \
		"Signals by the verdict on their data at the last scan.", "verdict")                                                 \
	METRIC(ANOMALY_SCORE, "nimbusguard_anomaly_score", METRIC_GAUGE,                                                             \
		"Robust z-score of a workload's signal at the last scan.",                                                           \
		"namespace,workload_kind,workload,role")                                                                             \
	METRIC(FINDINGS, "nimbusguard_findings_total", METRIC_COUNTER,                                                               \
		"Findings raised, by detector and role.", "detector,role")                                                           \
	METRIC(FINDINGS_ACTIVE, "nimbusguard_findings_active", METRIC_GAUGE,                                                         \
		"Findings that hold now.", "")                                                                                       \
	METRIC(INCIDENTS, "nimbusguard_incidents", METRIC_GAUGE, "Incidents in memory, by state.",                                   \
		"state")                                                                                                             \
	METRIC(EVENTS_UNLISTED, "nimbusguard_events_unlisted_total", METRIC_COUNTER,                                                 \
		"Events that joined an incident which lists no more of them; its plan answers them all the same.",                   \
		"playbook")                                                                                                          \
	METRIC(DECISIONS, "nimbusguard_decisions_total", METRIC_COUNTER,                                                             \
		"Decisions on events, by playbook and verdict.", "playbook,verdict")                                                 \
	METRIC(DECISION_CONFIDENCE, "nimbusguard_decision_confidence", METRIC_GAUGE,                                                 \
		"Confidence of the newest finding or proposal that a playbook decided on (guard.confidence_min).",                   \
		"playbook")                                                                                                          \
	METRIC(REFUSALS, "nimbusguard_refusals_total", METRIC_COUNTER,                                                               \
		"Refusals, by reason code; of gates that could not tell only the first, and only "                                   \
		"where none said no.",                                                                                               \
		"reason")                                                                                                            \
	METRIC(MODE_CHANGES, "nimbusguard_mode_changes_total", METRIC_COUNTER,                                                       \
		"Demotions, their liftings and proposals of a higher mode, by playbook and "                                         \
		"change.",                                                                                                           \
		"playbook,change")                                                                                                   \
	METRIC(KILL_SWITCH, "nimbusguard_kill_switch", METRIC_GAUGE,                                                                 \
		"Whether the kill switch is on (1): nothing is changed; or off (0).", "")                                            \
	METRIC(ACTIONS, "nimbusguard_actions_total", METRIC_COUNTER,                                                                 \
		"Actions by kind and what became of them.", "action,outcome")                                                        \
	METRIC(ACTIONS_PENDING, "nimbusguard_actions_pending", METRIC_GAUGE,                                                         \
		"Actions journaled and not yet ended.", "")                                                                          \
	METRIC(ACTION_STAGE_SECONDS, "nimbusguard_action_stage_seconds", METRIC_HISTOGRAM,                                           \
		"Time of a stage of an action: receive (with its commit), decide, approve (a "                                       \
		"person), act (with its commit), verify.",                                                                           \
		"stage")                                                                                                             \
	METRIC(SCALING_OPERATIONS, "nimbusguard_scaling_operations_total", METRIC_COUNTER,                                           \
		"Scale operations, by direction and outcome.", "direction,outcome")                                                  \
	METRIC(CURRENT_REPLICAS, "nimbusguard_current_replicas", METRIC_GAUGE,                                                       \
		"Ready replicas of a workload as last seen.", "namespace,workload_kind,workload")                                    \
	METRIC(OUTCOMES, "nimbusguard_outcomes_total", METRIC_COUNTER,                                                               \
		"Verified outcomes, by playbook and outcome.", "playbook,outcome")                                                   \
	METRIC(TICKETS, "nimbusguard_tickets_total", METRIC_COUNTER,                                                                 \
		"Tries to tell a ticket service something, by what came of them: told, retry, "                                      \
		"dead, skipped, unsure.",                                                                                            \
		"service,operation,result")                                                                                          \
	METRIC(TICKET_OUTBOX, "nimbusguard_ticket_outbox", METRIC_GAUGE,                                                             \
		"What is still to be told to a ticket service.", "service")                                                          \
	METRIC(TICKET_OLDEST, "nimbusguard_ticket_outbox_oldest_seconds", METRIC_GAUGE,                                              \
		"Age of the oldest of it; 0: there is none.", "service")                                                             \
	METRIC(JOURNAL_COMMIT_SECONDS, "nimbusguard_journal_commit_seconds", METRIC_HISTOGRAM,                                       \
		"Time of a group commit of the journal, with its sync.", "")                                                         \
	METRIC(JOURNAL_RECORDS, "nimbusguard_journal_records_total", METRIC_COUNTER,                                                 \
		"Records written to the journal, by kind.", "kind")                                                                  \
	METRIC(JOURNAL_ERRORS, "nimbusguard_journal_errors_total", METRIC_COUNTER,                                                   \
		"Failed commits of the journal.", "")                                                                                \
	METRIC(JOURNAL_HEAD_INFO, "nimbusguard_journal_head_info", METRIC_GAUGE,                                                     \
		"Number and hash of the journal's last record, as of once an hour, always 1.",                                       \
		"head")                                                                                                              \
	METRIC(JOURNAL_BROKEN, "nimbusguard_journal_broken_record", METRIC_GAUGE,                                                    \
		"First record that does not fit the journal's chain of hashes; 0: all fit.", "")                                     \
	METRIC(JOURNAL_VERIFIED, "nimbusguard_journal_verified_timestamp_seconds", METRIC_GAUGE,                                     \
		"When the journal's chain was verified last.", "")                                                                   \
	METRIC(PLAYBOOK_DISABLED, "nimbusguard_playbook_disabled", METRIC_GAUGE,                                                     \
		"Whether a playbook is disabled (1) because the cluster does not let it do its "                                     \
		"work.",                                                                                                             \
		"playbook")                                                                                                          \
	METRIC(KUBE_WATCH_OBJECTS, "nimbusguard_kube_watch_objects", METRIC_GAUGE,                                                   \
		"Objects of the cluster held by a watch.", "kind")                                                                   \
	METRIC(KUBE_WATCH_FRESH, "nimbusguard_kube_watch_fresh", METRIC_GAUGE,                                                       \
		"Whether a watch is sure (1), or objects are read instead (0).", "kind")                                             \
	METRIC(KUBE_WATCH_AGE, "nimbusguard_kube_watch_age_seconds", METRIC_GAUGE,                                                   \
		"Time since the last event or bookmark of a watch.", "kind")                                                         \
	METRIC(KUBE_WATCH_LISTS, "nimbusguard_kube_watch_lists_total", METRIC_COUNTER,                                               \
		"Whole lists read for a watch: at its start, and when its events were lost.",                                        \
		"kind")                                                                                                              \
	METRIC(KUBE_WATCH_FAILURES, "nimbusguard_kube_watch_failures_total", METRIC_COUNTER,                                         \
		"Interruptions of a watch, by reason.", "kind,reason")                                                               \
	METRIC(KUBE_WATCH_BYTES, "nimbusguard_kube_watch_memory_bytes", METRIC_GAUGE,                                                \
		"Memory held for objects of watches.", "")                                                                           \
	METRIC(KUBE_EVENTS, "nimbusguard_kube_events_total", METRIC_COUNTER,                                                         \
		"Kubernetes Events on objects, by what became of them.", "result")                                                   \
	METRIC(KUBE_LOOKS, "nimbusguard_kube_looks_total", METRIC_COUNTER,                                                           \
		"Questions that a watch answered, or that the API server had to be asked.",                                          \
		"kind,source")                                                                                                       \
	METRIC(LEADER, "nimbusguard_leader", METRIC_GAUGE,                                                                           \
		"1 while this replica acts: it holds the lease, or there is no election; 0 while it stands by.",                     \
		"")                                                                                                                  \
	METRIC(LEADER_INFO, "nimbusguard_leader_info", METRIC_GAUGE,                                                                 \
		"Who holds the lease as seen by this replica, always 1.", "holder")                                                  \
	METRIC(LEASE_SECONDS, "nimbusguard_lease_remaining_seconds", METRIC_GAUGE,                                                   \
		"For how long this replica may still change anything without a renewal.", "")                                        \
	METRIC(LEASE_TRANSITIONS, "nimbusguard_lease_transitions", METRIC_GAUGE,                                                     \
		"How often the lease went to another replica, as the lease tells.", "")                                              \
	METRIC(LEASE_FAILURES, "nimbusguard_lease_failures_total", METRIC_COUNTER,                                                   \
		"Tries to take or renew the lease that got no good answer.", "status")                                               \
	METRIC(QUEUE_LENGTH, "nimbusguard_queue_length", METRIC_GAUGE,                                                               \
		"Values waiting in an internal queue.", "queue")                                                                     \
	METRIC(QUEUE_LIMIT, "nimbusguard_queue_limit", METRIC_GAUGE,                                                                 \
		"Values that an internal queue can hold.", "queue")                                                                  \
	METRIC(LOG_SUPPRESSED, "nimbusguard_log_lines_suppressed_total", METRIC_COUNTER,                                             \
		"Log lines not written because their call site repeated itself.", "")                                                \
	METRIC(PROCESS_CPU, "process_cpu_seconds_total", METRIC_COUNTER,                                                             \
		"User and system CPU time of the process in seconds.", "")                                                           \
	METRIC(PROCESS_RESIDENT, "process_resident_memory_bytes", METRIC_GAUGE,                                                      \
		"Resident memory of the process in bytes.", "")                                                                      \
	METRIC(PROCESS_VIRTUAL, "process_virtual_memory_bytes", METRIC_GAUGE,                                                        \
		"Virtual memory of the process in bytes.", "")                                                                       \
	METRIC(PROCESS_FDS, "process_open_fds", METRIC_GAUGE, "Open file descriptors.", "")                                          \
	METRIC(PROCESS_MAX_FDS, "process_max_fds", METRIC_GAUGE,                                                                     \
		"File descriptors that may be open at most.", "")                                                                    \
	METRIC(PROCESS_START, "process_start_time_seconds", METRIC_GAUGE,                                                            \
		"Start of the process since the Unix epoch in seconds.", "")

#endif
