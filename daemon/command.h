/*
 * The commands of the program. Each returns the exit status: 0 good, 1 failed, 2 usage.
 */
#ifndef NIMBUSGUARD_DAEMON_COMMAND_H
#define NIMBUSGUARD_DAEMON_COMMAND_H

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "daemon/config.h"

#define EXIT_GOOD 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

#define FLAGS_MAX 128
#define WORDS_MAX 1024

/* The command line cut into flags and words. Flags of commands are kept apart from settings. */
struct command_line {
	const char *command;
	const char *config_path;
	struct config_flag settings[FLAGS_MAX]; /* flags that name settings */
	size_t setting_count;
	struct config_flag own[FLAGS_MAX]; /* flags of the command itself */
	size_t own_count;
	const char *words[WORDS_MAX];
	size_t word_count;
	char *const *environment;
};

/* The value of a flag of the command ("" for a bare one), NULL when it was not given. */
const char *command_flag(const struct command_line *line, const char *name);
/* Refuses own flags that are not in known (NULL-terminated): message, false. */
bool command_flags_known(const struct command_line *line, const char *const *known);
/* Refuses the word after so many: message, false. */
bool command_words_at_most(const struct command_line *line, size_t max);
/* Refuses words and settings, for a command that takes neither: message, false. */
bool command_flags_only(const struct command_line *line);

int command_serve(const struct command_line *line);
int command_check(const struct command_line *line);
int command_demo(const struct command_line *line);
int command_actions(const struct command_line *line);
int command_loadgen(const struct command_line *line);
int command_load(const struct command_line *line);
int command_sample(const struct command_line *line);
int command_test(const struct command_line *line);
int command_explain(const struct command_line *line);
int command_rbac(const struct command_line *line);
int command_audit(const struct command_line *line);
int command_replay(const struct command_line *line);
int command_evaluate(const struct command_line *line);
int command_dataset(const struct command_line *line);
int command_simulate(const struct command_line *line);
int command_rightsize(const struct command_line *line);
int command_floors(const struct command_line *line);
int command_models(const struct command_line *line);
/* Their usage texts, with a newline at the end. That of serve is followed by its settings. */
extern const char serve_flags[], check_flags[], demo_flags[], actions_flags[], loadgen_flags[],
	test_flags[], explain_flags[], rbac_flags[], replay_flags[], audit_flags[],
	evaluate_flags[], dataset_flags[], models_flags[], simulate_flags[], rightsize_flags[],
	load_flags[], sample_flags[], floors_flags[];

struct sizing_prices; /* analyzers/rightsize/sizing.h */
/* rightsize.price_* by the layers of configuration; an exit status. */
int command_prices(const struct command_line *line, struct sizing_prices *prices);

/* Signals of serve and demo: SIGTERM and SIGINT end, SIGHUP reloads. Blocked in all threads and
 * waited for by the main thread. */
void signals_block(sigset_t *set);
/* Returns with SIGTERM or SIGINT, which are blocked; SIGHUP is passed over. */
void signals_wait_end(const sigset_t *set);

#endif
