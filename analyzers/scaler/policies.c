/*
 * From the name of a policy to the policy, and those that fit into a few lines.
 */
#include "analyzers/scaler/policies.h"

#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/hpa.h"
#include "analyzers/scaler/qlearning.h"
#include "analyzers/scaler/quantile_policy.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"

#define WORDS_MAX 3
#define WORD_SIZE 32

/* The name and what stands behind its colons. */
struct words {
	char text[WORDS_MAX][WORD_SIZE];
	size_t count;
};

static enum status cut_words(const char *text, struct words *words, struct error *error)
{
	*words = (struct words){0};
	for (const char *at = text;;) {
		size_t length = strcspn(at, ":");

		if (words->count == WORDS_MAX || length == 0 || length >= WORD_SIZE)
			return error_set(error, STATUS_BAD_INPUT,
				"\"%.80s\" is no policy: it has too many, too long or empty parts",
				text);
		memcpy(words->text[words->count], at, length);
		words->text[words->count++][length] = '\0';
		if (at[length] == '\0')
			return STATUS_OK;
		at += length + 1;
	}
}

/* ---- hpa ---- */

static enum status open_hpa(struct policy *policy, const struct words *words,
	const struct policy_scene *scene, struct error *error)
{
	struct hpa_config config;
	int64_t window_ms = 0;

	hpa_config_default(&config);
	config.whole_percent = scene->hpa_whole_percent;
	config.replicas_min = scene->plant->replicas_min;
	config.replicas_max = scene->plant->replicas_max;
	if (words->count > 1 && parse_double(words->text[1], &config.target_percent) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT,
			"%s: \"%s\" is no target in per cent, such as hpa:60", policy->name,
			words->text[1]);
	if (words->count > 2 &&
		(parse_duration(words->text[2], &window_ms) != STATUS_OK ||
			window_ms > HPA_WINDOW_MAX_S * INT64_C(1000)))
		return error_set(error, STATUS_BAD_INPUT,
			"%s: \"%s\" is no stabilization window of 0 to 1h, such as hpa:60:5m",
			policy->name, words->text[2]);
	if (words->count > 2)
		config.down.window_s = (int)(window_ms / 1000);
	return hpa_policy_open(policy, &config, error);
}

/* ---- static ---- */

static int decide_static(void *state, const struct policy_view *view)
{
	(void)view;
	return *(const int *)state;
}

static enum status open_static(struct policy *policy, const struct words *words,
	const struct policy_scene *scene, struct error *error)
{
	int64_t pods = 0;
	int *state;

	if (words->count > 2 ||
		(words->count == 2 &&
			(parse_int(words->text[1], &pods) != STATUS_OK || pods < 1 ||
				pods > PLANT_PODS_MAX)))
		return error_set(error, STATUS_BAD_INPUT,
			"%s: a number of pods from 1 to %d is expected, such as static:12",
			policy->name, PLANT_PODS_MAX);
	state = mem_alloc(sizeof(*state));
	if (state == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	*state = words->count == 2 ? (int)pods
				   : load_most_pods(scene->load, scene->plant, scene->first_slot);
	policy->state = state;
	policy->decide = decide_static;
	policy->close = mem_free;
	return STATUS_OK;
}

/* ---- qlearning ---- */

static enum status open_qlearning(struct policy *policy, const struct words *words,
	const struct policy_scene *scene, struct error *error)
{
	const struct plant_config *plant = scene->plant;
	struct qlearning_config config;
	int64_t days = 0;

	qlearning_config_default(&config);
	config.replicas_min = plant->replicas_min;
	config.replicas_max = plant->replicas_max;
	config.rate_max =
		load_pods_rate(plant, load_most_pods(scene->load, plant, scene->first_slot));
	if (words->count > 1 && strcmp(words->text[1], "balanced") == 0)
		config.reward = QLEARNING_BALANCED;
	else if (words->count > 1 && strcmp(words->text[1], "classic") != 0)
		return error_set(error, STATUS_BAD_INPUT, "%s: the reward is classic or balanced",
			policy->name);
	if (words->count > 2 &&
		(parse_int(words->text[2], &days) != STATUS_OK || days < 0 ||
			days > QLEARNING_DAYS_MAX))
		return error_set(error, STATUS_BAD_INPUT,
			"%s: training days from 0 to %d are expected, such as "
			"qlearning:classic:3000",
			policy->name, QLEARNING_DAYS_MAX);
	if (words->count > 2)
		config.training_days = (size_t)days;
	return qlearning_policy_open(policy, &config, scene, error);
}

/* ---- oracle ---- */

static int decide_oracle(void *state, const struct policy_view *view)
{
	const struct policy_scene *const *scene = state;

	return (*scene)->draw->oracle[view->slot];
}

static enum status open_oracle(struct policy *policy, const struct words *words,
	const struct policy_scene *scene, struct error *error)
{
	const struct policy_scene **state;

	if (words->count > 1)
		return error_set(error, STATUS_BAD_INPUT, "%s: oracle takes no words",
			policy->name);
	state = mem_alloc(sizeof(*state));
	if (state == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	*state = scene;
	policy->state = state;
	policy->decide = decide_oracle;
	policy->close = mem_free;
	return STATUS_OK;
}

/* ---- ours ---- */

/* The user's own HPA, which serves until it is beaten, is one at 60 %. */
#define OWN_HPA_PERCENT 60

/* The third word: what chooses the quantile, whatever its replays say. */
static enum status read_choice(const struct words *words, const char *name,
	struct quantile_policy_config *config, struct error *error)
{
	if (words->count < 3)
		return STATUS_OK;
	config->forced = true;
	for (enum quantile_choice choice = 0; choice < QUANTILE_ARMS; choice++)
		if (strcmp(words->text[2], quantile_choice_name(choice)) == 0) {
			config->arm = choice;
			return STATUS_OK;
		}
	return error_set(error, STATUS_BAD_INPUT,
		"%s: \"%s\" is not what chooses the quantile: setting, table or dqn, such as "
		"ours:0.5:dqn",
		name, words->text[2]);
}

static enum status open_ours(struct policy *policy, const struct words *words,
	const struct policy_scene *scene, struct error *error)
{
	struct quantile_policy_config config;

	quantile_policy_config_default(&config);
	config.plant = *scene->plant;
	config.hpa.target_percent = OWN_HPA_PERCENT;
	config.hpa.whole_percent = scene->hpa_whole_percent;
	config.hpa.replicas_min = scene->plant->replicas_min;
	config.hpa.replicas_max = scene->plant->replicas_max;
	if (words->count > 1 &&
		(parse_double(words->text[1], &config.objective) != STATUS_OK ||
			!(config.objective > 0 && config.objective <= 100)))
		return error_set(error, STATUS_BAD_INPUT,
			"%s: an objective in per cent is expected, such as ours:0.5", policy->name);
	if (read_choice(words, policy->name, &config, error) != STATUS_OK)
		return STATUS_BAD_INPUT;
	return quantile_arm_open(policy, &config, scene, error);
}

/* ---- all ---- */

static enum status (*const openers[])(struct policy *policy, const struct words *words,
	const struct policy_scene *scene,
	struct error *error) = {open_hpa, open_static, open_qlearning, open_ours, open_oracle};

const char *const policy_names[] = {"hpa", "static", "qlearning", "ours", "oracle", NULL};

_Static_assert(ARRAY_COUNT(policy_names) == ARRAY_COUNT(openers) + 1, "each policy has a name");

enum status policy_open(struct policy *policy, const char *text, const struct policy_scene *scene,
	struct error *error)
{
	struct words words;
	const char *nearest;
	enum status status;

	*policy = (struct policy){0};
	snprintf(policy->name, sizeof(policy->name), "%s", text);
	status = cut_words(text, &words, error);
	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; policy_names[i] != NULL; i++)
		if (strcmp(policy_names[i], words.text[0]) == 0)
			return openers[i](policy, &words, scene, error);
	nearest = nearest_word(words.text[0], policy_names);
	return error_set(error, STATUS_BAD_INPUT, "there is no policy \"%s\"%s%s", words.text[0],
		nearest != NULL ? ", did you mean " : "; see nimbusguard help simulate",
		nearest != NULL ? nearest : "");
}
