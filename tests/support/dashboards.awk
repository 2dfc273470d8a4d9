# Makes Grafana's dashboards out of dashboards/panels.txt. Usage: awk -f dashboards.awk -v dest=FOLDER panels.txt
#
#   dashboard NAME TITLE        a file NAME.json; the line "about TEXT" after it says what it is for
#   variables WORD...           instance, namespace, workload: by which it can be narrowed
#   row TITLE
#   panel TYPE WxH UNIT TITLE   stat or timeseries, in the unit of Grafana; a line is 24 wide
#     note TEXT
#     map 0=TEXT:COLOR,1=TEXT:COLOR    and what stands red below 1
#     show value|name|value_and_name   of a stat
#     query EXPRESSION
#     legend TEXT               of the query before it

function quoted(text) {
	gsub(/\\/, "\\\\\\\\", text)
	gsub(/"/, "\\\"", text)
	return "\"" text "\""
}

function rest(n,  text, i) {
	text = $0
	sub(/^[ \t]+/, "", text)
	for (i = 0; i < n; i++)
		sub(/^[^ \t]+[ \t]+/, "", text)
	return text
}

function variable(name, label, query) {
	return sprintf(",\n    {\"type\": \"query\", \"name\": \"%s\", \"label\": \"%s\", \"datasource\": %s, \"query\": " \
		"{\"query\": %s, \"refId\": \"%s\"}, \"refresh\": 2, \"sort\": 1, \"multi\": true, " \
		"\"includeAll\": true, \"allValue\": \".*\", \"current\": {\"selected\": true, \"text\": [\"All\"], " \
		"\"value\": [\"$__all\"]}}", name, label, source, quoted(query), name)
}

function target(  letter) {
	if (query == "")
		return
	letter = substr("ABCDEFGHIJ", ++target_count, 1)
	targets = targets (target_count > 1 ? "," : "") sprintf("\n        {\"refId\": \"%s\", \"datasource\": %s, \"expr\": %s, " \
		"\"legendFormat\": %s%s}", letter, source, quoted(query), quoted(legend), type == "stat" ? ", \"instant\": true" : "")
	query = legend = ""
}

# Panels stand side by side until the line is full.
function place(w, h,  text) {
	if (x + w > 24) {
		x = 0
		y += line_height
		line_height = 0
	}
	text = sprintf("{\"h\": %d, \"w\": %d, \"x\": %d, \"y\": %d}", h, w, x, y)
	x += w
	line_height = h > line_height ? h : line_height
	return text
}

function mappings(  list, n, i, one, value, text) {
	n = split(map, list, ",")
	for (i = 1; i <= n; i++) {
		split(list[i], one, "=")
		value = one[1]
		split(one[2], one, ":")
		text = text (i > 1 ? ", " : "") sprintf("\"%s\": {\"text\": \"%s\", \"color\": \"%s\"}", value, one[1], one[2])
	}
	return sprintf(", \"mappings\": [{\"type\": \"value\", \"options\": {%s}}], \"thresholds\": {\"mode\": \"absolute\", " \
		"\"steps\": [{\"color\": \"red\", \"value\": null}, {\"color\": \"green\", \"value\": 1}]}", text)
}

function flush_panel(  options) {
	if (type == "")
		return
	target()
	if (type == "stat")
		options = sprintf("{\"reduceOptions\": {\"calcs\": [\"lastNotNull\"]}, \"colorMode\": \"%s\", \"textMode\": \"%s\", " \
			"\"orientation\": \"vertical\"}", map == "" ? "none" : "background", show)
	else
		options = "{\"legend\": {\"calcs\": [], \"displayMode\": \"list\", \"placement\": \"bottom\", \"showLegend\": true}, \"tooltip\": {\"mode\": \"multi\", " \
			"\"sort\": \"desc\"}}"
	panels = panels sprintf("%s\n    {\"id\": %d, \"type\": \"%s\", \"title\": %s, \"description\": %s,\n      \"gridPos\": %s, " \
		"\"datasource\": %s,\n      \"fieldConfig\": {\"defaults\": {\"unit\": \"%s\"%s}, \"overrides\": []},\n" \
		"      \"options\": %s,\n      \"targets\": [%s\n      ]}", panels == "" ? "" : ",", ++id, type, quoted(title), quoted(note),
		place(width, height), source, unit, map == "" ? "" : mappings(), options, targets)
	type = ""
}

function flush_dashboard(  file) {
	flush_panel()
	if (name == "")
		return
	file = dest "/" name ".json"
	printf "{\n  \"id\": null,\n  \"uid\": \"nimbusguard-%s\",\n  \"title\": %s,\n  \"description\": %s,\n", name, quoted(heading),
		quoted(about) >file
	printf "  \"tags\": [\"nimbusguard\"],\n  \"timezone\": \"browser\",\n  \"editable\": true,\n  \"graphTooltip\": 1,\n" >file
	printf "  \"schemaVersion\": 39,\n  \"version\": 1,\n  \"refresh\": \"30s\",\n  \"time\": {\"from\": \"now-3h\", \"to\": \"now\"},\n" >file
	printf "  \"annotations\": {\"list\": []},\n  \"links\": [{\"type\": \"dashboards\", \"title\": \"NimbusGuard\", \"tags\": " \
		"[\"nimbusguard\"], \"asDropdown\": true, \"includeVars\": true, \"keepTime\": true, \"icon\": \"external link\", " \
		"\"targetBlank\": false, \"tooltip\": \"\", \"url\": \"\"}],\n" >file
	printf "  \"templating\": {\"list\": [\n    {\"type\": \"datasource\", \"name\": \"datasource\", \"label\": \"Data source\", " \
		"\"query\": \"prometheus\", \"hide\": 0, \"refresh\": 1}%s\n  ]},\n  \"panels\": [%s\n  ]\n}\n", variables, panels >file
	close(file)
	name = variables = panels = ""
}

BEGIN { source = "{\"type\": \"prometheus\", \"uid\": \"${datasource}\"}" }
/^[ \t]*(#|$)/ { next }
$1 == "dashboard" {
	flush_dashboard()
	name = $2
	heading = rest(2)
	id = x = y = line_height = 0
	next
}
$1 == "about" { about = rest(1); next }
$1 == "variables" {
	ready = "nimbusguard:workload_replicas:ready"
	for (i = 2; i <= NF; i++)
		variables = variables ($i == "instance" ? variable("instance", "Instance", "label_values(nimbusguard_build_info, instance)") : \
			$i == "namespace" ? variable("namespace", "Namespace", "label_values(" ready ", namespace)") : \
			variable("workload", "Workload", "label_values(" ready "{namespace=~\"$namespace\"}, workload)"))
	next
}
$1 == "row" {
	flush_panel()
	y += line_height
	x = line_height = 0
	panels = panels sprintf("%s\n    {\"id\": %d, \"type\": \"row\", \"title\": %s, \"collapsed\": false, \"gridPos\": {\"h\": 1, \"w\": 24, " \
		"\"x\": 0, \"y\": %d}, \"panels\": []}", panels == "" ? "" : ",", ++id, quoted(rest(1)), y)
	y++
	next
}
$1 == "panel" {
	flush_panel()
	type = $2
	split($3, size, "x")
	width = size[1]
	height = size[2]
	unit = $4
	title = rest(4)
	note = map = targets = query = legend = ""
	show = "value_and_name"
	target_count = 0
	next
}
$1 == "note" { note = rest(1); next }
$1 == "map" { map = rest(1); next }
$1 == "show" { show = $2; next }
$1 == "query" { target(); query = rest(1); next }
$1 == "legend" { legend = rest(1); next }
{
	print FILENAME ":" FNR ": what is \"" $1 "\"?" >"/dev/stderr"
	exit failed = 1
}
END {
	if (!failed)
		flush_dashboard()
}
