/*
 * The guard's budgets as shares: of a workload's pods, of a namespace's workloads, of a cluster's nodes.
 * A share is rounded down, so that 10 % of five nodes are none; where it is not known of how many, nothing
 * is done. 100 % is no bound, and not asked.
 */
#include "remediations/actions/action_class.h"
#include "remediations/guard_gates.h"

#define NO_BOUND 100

/* used: with this action. of: 0 is not known. */
static void judge_share(struct gate_result *result, const char *what, unsigned used, unsigned of,
	unsigned percent)
{
	unsigned most = (unsigned)((uint64_t)of * percent / 100);

	gate_wanted(result, "at most %u %%", percent);
	if (!of) {
		result->verdict = GATE_UNKNOWN;
		gate_saw(result, "it is not known how many %s there are", what);
		return;
	}
	gate_saw(result, "%u of %u %s with this one", used, of, what);
	gate_wanted(result, "at most %u %%, which is %u", percent, most);
	if (used > most)
		gate_refuse_for_now(result, 0);
}

static const struct observation *seen(const struct guard_question *question)
{
	const struct observation *observation = question->observation;

	return observation && !observation->error.code && observation->found ? observation : NULL;
}

static bool is_asked(const struct guard_question *question, struct gate_result *result,
	unsigned percent)
{
	if (percent < NO_BOUND && !question->undo && !question->not_looked)
		return true;
	result->verdict = GATE_NOT_ASKED;
	return false;
}

void judge_share_pods(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = seen(question);
	unsigned percent = question->limits->pods_percent;

	/* Another pod than of a workload is one of one. */
	if (question->target->kind != TARGET_POD) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	if (!is_asked(question, result, percent))
		return;
	judge_share(result, "pods",
		1 +
			ledger_others(question->ledger, question->entry, LEDGER_TARGET,
				question->now_ms - question->limits->window_ms),
		observation && observation->replicas > 0 ? (unsigned)observation->replicas : 0,
		percent);
}

void judge_share_workloads(const struct guard_question *question, struct gate_result *result)
{
	unsigned percent = question->limits->workloads_percent;

	if (!target_kind_namespaced(question->target->kind) ||
		question->target->kind == TARGET_NONE) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	if (!is_asked(question, result, percent))
		return;
	judge_share(result, "workloads",
		1 +
			ledger_others(question->ledger, question->entry, LEDGER_NAMESPACE,
				question->now_ms - question->limits->window_ms),
		question->workloads, percent);
}

void judge_share_nodes(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = seen(question);
	unsigned percent = question->limits->nodes_percent;
	unsigned used;

	if (!action_class(question->plan->kind)->cordons) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	if (!is_asked(question, result, percent))
		return;
	used = 1 + question->live_nodes + (observation ? observation->nodes_cordoned : 0);
	/* A drain of a node that we cordoned before makes it no further one. */
	if (observation && *observation->cordoned_by)
		used--;
	judge_share(result, "nodes", used, observation ? observation->nodes : 0, percent);
}
