// What one of our dashboards may be, by the types that Grafana publishes (@grafana/schema): panels of the types below, each with the options
// and field settings of its own plugin. tests/e2e/test_dashboards.sh lets the compiler hold dashboards/*.json against it; members that Grafana
// does not know are errors there, as they are in any object that is written out.
import type { Dashboard, DataQuery, DataSourceRef, FieldConfig, Panel, RowPanel, VariableModel } from '@grafana/schema';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON has the values of enumerations, not their names.
type Plain<T> = T extends string ? `${T}` : T extends Array<infer One> ? Plain<One>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

// The queries of Prometheus' data source are not in the package: these are the members that it documents and that we use.
interface Query extends DataQuery {
	expr: string;
	legendFormat: string;
	instant?: boolean;
	format?: 'time_series' | 'table' | 'heatmap';
	datasource: DataSourceRef;
}

type Kind<Type, Options, Fields> = Omit<Plain<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
	type: Type;
	title: string;
	options: Plain<Options>;
	fieldConfig: { defaults: Plain<Omit<FieldConfig, 'custom'>> & { custom?: Plain<Fields> }; overrides: [] };
	targets: Plain<Query>[];
};

type OurPanel =
	| Plain<RowPanel>
	| Kind<'timeseries', timeseries.Options, Partial<timeseries.FieldConfig>>
	| Kind<'stat', Partial<stat.Options>, never>
	| Kind<'heatmap', Partial<heatmap.Options>, never>
	| Kind<'table', Partial<table.Options>, never>;

export type OurDashboard = Omit<Plain<Dashboard>, 'panels' | 'templating'> & {
	uid: string;
	title: string;
	panels: OurPanel[];
	templating: { list: Plain<VariableModel>[] };
};
