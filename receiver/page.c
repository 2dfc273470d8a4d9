/*
 * Writes the status page. Its style stands inside it, so that it needs nothing else and works under
 * a policy without scripts; it follows the reader's light or dark setting and reloads itself.
 */
#include "receiver/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static const char style[] =
	":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;"
	"--line:#dfe3e8;--good:#1a7f37;--warn:#9a6700;--bad:#cf222e;--tint:#eef1f5}"
	"@media(prefers-color-scheme:dark){:root{--bg:#0f141a;--card:#171d25;--ink:#e4e9ef;"
	"--soft:#97a3b2;--line:#2b333e;--good:#4ac26b;--warn:#d4a72c;--bad:#ff7b72;--tint:#1f2731}}"
	"*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);"
	"font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
	"main,header{max-width:72rem;margin:0 auto;padding:0 1rem}"
	"header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.3rem 1rem;padding-top:1.2rem}"
	"h1{font-size:1.35rem;margin:0}h2{font-size:1.05rem;margin:0 0 .6rem}"
	"h3{font-size:.95rem;margin:.9rem 0 .3rem;overflow-wrap:anywhere}"
	"section{background:var(--card);border:1px solid var(--line);border-radius:10px;"
	"padding:1rem 1.1rem;margin:1rem 0}"
	".alarm{border:2px solid var(--bad)}.alarm p{margin:0}"
	".soft{color:var(--soft)}.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}"
	".tag{display:inline-block;padding:.05rem .55rem;border-radius:99px;background:var(--tint);"
	"font-size:.85rem;white-space:nowrap}"
	".row{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem}.row b{display:block;font-size:1.25rem;"
	"font-weight:600;font-variant-numeric:tabular-nums}"
	".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}"
	"th{text-align:left;font-weight:500;color:var(--soft)}td,th{padding:.28rem .8rem .28rem 0;"
	"border-bottom:1px solid var(--line);vertical-align:top}tbody tr:last-child>*{border-bottom:0}"
	".num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;"
	"padding-right:1.6rem}.even{table-layout:fixed;min-width:34rem}"
	"details{border-top:1px solid var(--line);padding:.5rem 0}details:first-of-type{border-top:0}"
	"summary{cursor:pointer;overflow-wrap:anywhere}"
	"ol{margin:.5rem 0 .2rem;padding-left:1.1rem;border-left:2px solid var(--line);"
	"list-style:none}li{margin:.15rem 0}a{color:inherit}time{white-space:nowrap}"
	"footer{max-width:72rem;margin:0 auto;padding:0 1rem 2rem;font-size:.88rem}";

static void add_text(struct buf *buf, const char *text)
{
	buf_add_html(buf, text && *text ? text : "\xE2\x80\x93"); /* en dash */
}

/* <tag class="class">text</tag>, text escaped; tag and class are ours. */
static void add_element(struct buf *buf, const char *tag, const char *class, const char *text)
{
	buf_printf(buf, "<%s class=\"%s\">", tag, class);
	add_text(buf, text);
	buf_printf(buf, "</%s>", tag);
}

/* Rounded for reading; base/parse.h writes sizes exactly. */
static void write_bytes(double bytes, char *text, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (fabs(bytes) >= 1024 && unit < sizeof(units) / sizeof(units[0]) - 1) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, size, "%.4g %s", bytes, units[unit]);
}

static void write_number(double value, const char *unit, char *text, size_t size)
{
	bool known = unit != NULL;

	*text = '\0';
	if (isnan(value))
		return;
	if (known && !strcmp(unit, "bytes"))
		write_bytes(value, text, size);
	else if (known && !strcmp(unit, "ratio"))
		snprintf(text, size, "%.1f %%", value * 100);
	else if (known && !strcmp(unit, "seconds"))
		snprintf(text, size, "%.3g s", value);
	else if (known && !strcmp(unit, "per_second"))
		snprintf(text, size, "%.4g /s", value);
	else
		snprintf(text, size, "%.4g", value);
}

static void add_number(struct buf *buf, const char *class, double value, const char *unit)
{
	char text[64], classes[64];

	write_number(value, unit, text, sizeof(text));
	snprintf(classes, sizeof(classes), "num %s", class);
	add_element(buf, "td", classes, text);
}

static void add_time(struct buf *buf, int64_t ms)
{
	char text[32];

	format_rfc3339(ms, text, sizeof(text));
	buf_printf(buf, "<time datetime=\"%s\">%.10s %.8s</time>", text, text, text + 11);
}

static void add_title(struct buf *buf, const char *title, size_t shown, size_t total)
{
	buf_add_text(buf, "<section><h2>");
	buf_add_html(buf, title);
	if (total > shown)
		buf_printf(buf, " <span class=\"soft\">%zu of %zu</span>", shown, total);
	else
		buf_printf(buf, " <span class=\"soft\">%zu</span>", shown);
	buf_add_text(buf, "</h2>");
}

static void add_nothing(struct buf *buf, const char *text)
{
	add_element(buf, "p", "soft", text);
}

static void add_figure(struct buf *buf, const char *name, const char *value, const char *note)
{
	buf_add_text(buf, "<div><b>");
	add_text(buf, value);
	buf_add_text(buf, "</b><span class=\"soft\">");
	buf_add_html(buf, name);
	if (*note) {
		buf_add_text(buf, " of ");
		buf_add_html(buf, note);
	}
	buf_add_text(buf, "</span></div>");
}

static void write_head(struct buf *buf, const struct page_status *status)
{
	char uptime[32];

	buf_add_text(buf,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
	if (status->refresh_s)
		buf_printf(buf, "<meta http-equiv=\"refresh\" content=\"%u\">", status->refresh_s);
	buf_add_text(buf, "<title>NimbusGuard</title><style>");
	buf_add_text(buf, style);
	buf_add_text(buf, "</style></head>\n<body><header><h1>NimbusGuard</h1>");
	add_element(buf, "span", "soft", status->version);
	buf_add_text(buf, "<span class=\"tag\">mode ");
	add_text(buf, status->mode);
	buf_add_text(buf, "</span>");
	add_element(buf, "span", status->dry_run ? "tag good" : "tag warn",
		status->dry_run ? "dry run: nothing is changed" : "acts on the cluster");
	/* Whole seconds: milliseconds only flicker. */
	format_duration(status->uptime_ms / 1000 * 1000, uptime, sizeof(uptime));
	buf_add_text(buf, "<span class=\"soft\">up ");
	add_text(buf, uptime);
	buf_add_text(buf, "</span></header><main>\n");
}

/* Above everything else: who looks at the page must not miss why nothing happens. */
static void write_kill_switch(struct buf *buf, const struct page_status *status)
{
	if (!status->paused)
		return;
	buf_add_text(buf,
		"<section class=\"alarm\" role=\"alert\"><h2 class=\"bad\">Kill switch on: nothing "
		"is changed</h2><p>Set by <b>");
	add_text(buf, status->paused_by);
	buf_add_text(buf, "</b> at ");
	add_time(buf, status->paused_since_ms);
	buf_add_text(buf,
		" UTC. Decisions are recorded, nothing is sent. To switch it off: "
		"<code>POST ");
	buf_add_html(buf, status->prefix ? status->prefix : "");
	buf_add_text(buf, "/api/v1/pause?paused=false</code></p></section>\n");
}

static void write_components(struct buf *buf, const struct page_status *status)
{
	buf_add_text(buf, "<section><h2>Service</h2><div class=\"row\">");
	for (size_t i = 0; i < status->component_count; i++) {
		const struct page_component *one = &status->components[i];

		buf_printf(buf, "<span><span class=\"%s\">%s</span> ",
			one->healthy ? "good" : "bad", one->healthy ? "&#9679;" : "&#9650; down:");
		add_text(buf, one->name);
		if (one->note && *one->note) {
			buf_add_text(buf, " <span class=\"soft\">");
			buf_add_html(buf, one->note);
			buf_add_text(buf, "</span>");
		}
		buf_add_text(buf, "</span>");
	}
	buf_add_text(buf, "</div></section>\n");
}

static void write_stream(struct buf *buf, const struct page_status *status)
{
	char value[64], note[64];

	buf_add_text(buf, "<section><h2>Stream</h2><div class=\"row\">");
	snprintf(value, sizeof(value), "%" PRIu64, status->series);
	snprintf(note, sizeof(note), "%" PRIu64, status->series_max);
	add_figure(buf, "series", value, note);
	write_number(status->samples_per_second, NULL, value, sizeof(value));
	add_figure(buf, "samples a second", value, "");
	write_bytes((double)status->bytes, value, sizeof(value));
	write_bytes((double)status->bytes_max, note, sizeof(note));
	add_figure(buf, "memory", value, note);
	buf_add_text(buf, "</div></section>\n");
}

static void add_loss(struct buf *buf, const char *name, double loss)
{
	char value[64];

	write_number(loss, NULL, value, sizeof(value));
	buf_printf(buf, ", %s ", name);
	add_text(buf, value);
}

static void write_training(struct buf *buf, const struct page_status *status)
{
	const struct page_training *training = status->training;

	if (!training)
		return;
	buf_add_text(buf, "<section><h2>Training</h2><p class=\"soft\">");
	add_text(buf, training->what);
	if (training->under_way) {
		buf_printf(buf, ": under way, %" PRIu64 " of at most %" PRIu64 " epochs done",
			training->epoch, training->epochs_max);
	} else {
		buf_add_text(buf, ": ended as ");
		add_text(buf, training->outcome);
		buf_printf(buf, " after %" PRIu64 " epochs", training->epoch);
	}
	add_loss(buf, "loss", training->loss);
	add_loss(buf, "on what is held out", training->holdout_loss);
	buf_add_text(buf, training->under_way ? ", since " : ", at ");
	add_time(buf, training->under_way ? training->since_ms : training->ended_ms);
	buf_add_text(buf, "</p></section>\n");
}

static const char *score_class(double score)
{
	if (isnan(score) || fabs(score) < 3)
		return "";
	return fabs(score) < 6 ? "warn" : "bad";
}

static void write_signal(struct buf *buf, const struct page_signal *signal)
{
	bool good = signal->quality && !strcmp(signal->quality, "good");

	buf_add_text(buf, "<tr>");
	add_element(buf, "td", "", signal->role);
	add_number(buf, good ? "" : "soft", signal->value, signal->unit);
	add_number(buf, "soft", signal->expected, signal->unit);
	add_number(buf, score_class(signal->z), signal->z, NULL);
	add_element(buf, "td", good ? "soft" : "warn", signal->quality);
	buf_add_text(buf, "</tr>");
}

static void write_workloads(struct buf *buf, const struct page_status *status)
{
	add_title(buf, "Workloads", status->workload_count, status->workload_total);
	if (!status->workload_count)
		add_nothing(buf, "None seen yet: signals come with the recording rules' series.");
	for (size_t i = 0; i < status->workload_count; i++) {
		const struct page_workload *workload = &status->workloads[i];

		add_element(buf, "h3", "", workload->name);
		buf_add_text(buf,
			"<div class=\"scroll\"><table class=\"even\"><thead><tr>"
			"<th scope=\"col\">signal</th>"
			"<th scope=\"col\" class=\"num\">now</th>"
			"<th scope=\"col\" class=\"num\">expected</th>"
			"<th scope=\"col\" class=\"num\">z</th><th scope=\"col\">data</th></tr>"
			"</thead><tbody>");
		for (size_t j = 0; j < workload->signal_count; j++)
			write_signal(buf, &workload->signals[j]);
		buf_add_text(buf, "</tbody></table></div>");
	}
	buf_add_text(buf, "</section>\n");
}

static void write_findings(struct buf *buf, const struct page_status *status)
{
	add_title(buf, "Findings", status->finding_count, status->finding_total);
	if (!status->finding_count) {
		add_nothing(buf, "Nothing stands out.");
		buf_add_text(buf, "</section>\n");
		return;
	}
	buf_add_text(buf,
		"<div class=\"scroll\"><table><thead><tr><th scope=\"col\">workload</th>"
		"<th scope=\"col\">signal</th><th scope=\"col\">what</th>"
		"<th scope=\"col\" class=\"num\">score</th>"
		"<th scope=\"col\" class=\"num\">confidence</th><th scope=\"col\">since</th></tr>"
		"</thead><tbody>");
	for (size_t i = 0; i < status->finding_count; i++) {
		const struct page_finding *finding = &status->findings[i];

		buf_add_text(buf, "<tr>");
		add_element(buf, "td", "", finding->workload);
		add_element(buf, "td", "", finding->role);
		add_element(buf, "td", "", finding->summary);
		add_number(buf, score_class(finding->score), finding->score, NULL);
		add_number(buf, "", finding->confidence, "ratio");
		buf_add_text(buf, "<td class=\"soft\">");
		add_time(buf, finding->since_ms);
		buf_add_text(buf, "</td></tr>");
	}
	buf_add_text(buf, "</tbody></table></div></section>\n");
}

static void write_scalings(struct buf *buf, const struct page_status *status)
{
	if (!status->scaling_count)
		return;
	add_title(buf, "Scaler", status->scaling_count, status->scaling_total);
	buf_add_text(buf,
		"<div class=\"scroll\"><table><thead><tr><th scope=\"col\">workload</th>"
		"<th scope=\"col\" class=\"num\">replicas</th>"
		"<th scope=\"col\" class=\"num\">it would have</th>"
		"<th scope=\"col\" class=\"num\">by the forecast</th>"
		"<th scope=\"col\" class=\"num\">an HPA</th><th scope=\"col\">because</th>"
		"<th scope=\"col\">policy</th><th scope=\"col\">state</th></tr></thead><tbody>");
	for (size_t i = 0; i < status->scaling_count; i++) {
		const struct page_scaling *row = &status->scalings[i];

		buf_add_text(buf, "<tr>");
		add_element(buf, "td", "", row->workload);
		add_number(buf, "", row->replicas, NULL);
		add_number(buf,
			row->wanted > row->replicas || row->wanted < row->replicas ? "warn" : "",
			row->wanted, NULL);
		add_number(buf, "", row->forecast, NULL);
		add_number(buf, "", row->hpa, NULL);
		add_element(buf, "td", "", row->because);
		add_element(buf, "td", "soft", row->policy);
		add_element(buf, "td", "soft", row->state);
		buf_add_text(buf, "</tr>");
	}
	buf_add_text(buf, "</tbody></table></div></section>\n");
}

static void add_pair(struct buf *buf, const char *name, const char *value)
{
	buf_add_text(buf, "<tr>");
	add_element(buf, "th", "", name);
	add_element(buf, "td", "", value);
	buf_add_text(buf, "</tr>");
}

static void write_gates(struct buf *buf, const struct page_incident *incident)
{
	if (!incident->gate_count)
		return;
	buf_add_text(buf, "<tr><th>guard</th><td>");
	for (size_t i = 0; i < incident->gate_count; i++) {
		const struct page_gate *gate = &incident->gates[i];

		buf_printf(buf, "<span class=\"tag %s\">", gate->passed ? "good" : "bad");
		buf_add_text(buf, gate->passed ? "&#10003; " : "&#10007; ");
		add_text(buf, gate->name);
		if (!gate->passed && gate->reason) {
			buf_add_text(buf, ": ");
			buf_add_html(buf, gate->reason);
		}
		buf_add_text(buf, "</span> ");
	}
	buf_add_text(buf, "</td></tr>");
}

static void write_steps(struct buf *buf, const struct page_incident *incident)
{
	if (!incident->step_count)
		return;
	buf_add_text(buf, "<ol>");
	for (size_t i = 0; i < incident->step_count; i++) {
		const struct page_step *step = &incident->steps[i];

		buf_add_text(buf, "<li><span class=\"soft\">");
		add_time(buf, step->at_ms);
		buf_add_text(buf, "</span> <b>");
		add_text(buf, step->state);
		buf_add_text(buf, "</b>");
		if (step->text && *step->text) {
			buf_add_char(buf, ' ');
			buf_add_html(buf, step->text);
		}
		buf_add_text(buf, "</li>");
	}
	buf_add_text(buf, "</ol>");
}

static void write_ticket(struct buf *buf, const struct page_incident *incident)
{
	if (!incident->ticket)
		return;
	/* Only what a service's own URL begins with is a link. */
	if (!incident->ticket_url ||
		(strncmp(incident->ticket_url, "https://", 8) != 0 &&
			strncmp(incident->ticket_url, "http://", 7) != 0)) {
		add_pair(buf, "ticket", incident->ticket);
		return;
	}
	buf_add_text(buf, "<tr><th>ticket</th><td><a rel=\"noreferrer\" href=\"");
	buf_add_html(buf, incident->ticket_url);
	buf_add_text(buf, "\">");
	buf_add_html(buf, incident->ticket);
	buf_add_text(buf, "</a></td></tr>");
}

static void write_incident(struct buf *buf, const struct page_incident *incident)
{
	buf_add_text(buf, "<details id=\"");
	buf_add_html(buf, incident->id ? incident->id : "");
	buf_printf(buf, "\"%s><summary>", incident->open ? " open" : "");
	add_element(buf, "span", incident->open ? "tag warn" : "tag", incident->state);
	buf_add_text(buf, " <b>");
	add_text(buf, incident->title);
	buf_add_text(buf, "</b> <span class=\"soft\">");
	add_text(buf, incident->target);
	buf_add_text(buf, " &middot; ");
	add_time(buf, incident->opened_ms);
	buf_add_text(buf, "</span></summary><div class=\"scroll\"><table><tbody>");
	add_pair(buf, "id", incident->id);
	add_pair(buf, "playbook", incident->playbook);
	if (incident->joined)
		add_pair(buf, "joined by", incident->joined);
	add_pair(buf, "plan", incident->plan);
	if (incident->approval)
		add_pair(buf, "approval", incident->approval);
	write_gates(buf, incident);
	add_pair(buf, "outcome", incident->outcome);
	write_ticket(buf, incident);
	buf_add_text(buf, "</tbody></table></div>");
	write_steps(buf, incident);
	buf_add_text(buf, "</details>");
}

static void write_incidents(struct buf *buf, const struct page_status *status)
{
	add_title(buf, "Incidents", status->incident_count, status->incident_total);
	if (!status->incident_count)
		add_nothing(buf, "None.");
	for (size_t i = 0; i < status->incident_count; i++)
		write_incident(buf, &status->incidents[i]);
	buf_add_text(buf, "</section>\n");
}

static void write_foot(struct buf *buf, const struct page_status *status)
{
	static const char *const links[][2] = {{"/metrics", "metrics"},
		{"/api/v1/status", "status"}, {"/api/v1/workloads", "workloads"},
		{"/api/v1/findings", "findings"}, {"/api/v1/incidents", "incidents"},
		{"/api/v1/actions", "actions"}};

	buf_add_text(buf, "</main><footer class=\"soft\">");
	add_time(buf, status->now_ms);
	buf_add_text(buf, " UTC");
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		buf_add_text(buf, " &middot; <a href=\"");
		buf_add_html(buf, status->prefix ? status->prefix : "");
		buf_printf(buf, "%s\">%s</a>", links[i][0], links[i][1]);
	}
	buf_add_text(buf, "</footer></body></html>\n");
}

void page_write_status(struct buf *buf, const struct page_status *status)
{
	write_head(buf, status);
	write_kill_switch(buf, status);
	write_components(buf, status);
	write_incidents(buf, status);
	write_findings(buf, status);
	write_scalings(buf, status);
	write_stream(buf, status);
	write_training(buf, status);
	write_workloads(buf, status);
	write_foot(buf, status);
}
