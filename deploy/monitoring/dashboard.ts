import {
  BigValueColorMode,
  BigValueGraphMode,
  LegendDisplayMode,
  VizLegendOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { PANELS, type PanelOfDashboard } from './panels.ts';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const HEIGHT = 8;
const RED_AT_ZERO = [
  { value: null, color: 'red' },
  { value: 1, color: 'green' },
];

/** The dashboard as Grafana imports it, in JSON: `npm run dashboard` writes it, and a unit test compares it. */
export function dashboardJson(): string {
  const builder = new DashboardBuilder('Consular')
    .uid('consular')
    .description('Whether Consular keeps Kubernetes and Consul equal, and how quickly.')
    .tags(['consular', 'consul', 'kubernetes'])
    .timezone('browser')
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(
      new QueryVariableBuilder('job')
        .label('Job')
        .datasource(DATASOURCE)
        .query('label_values(consular_build_info, job)')
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        .current({ selected: true, text: 'All', value: '$__all' }),
    );
  PANELS.forEach((panel, i) => builder.withPanel((panel.isState ? state(panel) : lines(panel)).id(i + 1)));
  return `${JSON.stringify(builder.build(), null, 2)}\n`;
}

function lines(panel: PanelOfDashboard): TimeSeriesBuilder {
  return common(panel, new TimeSeriesBuilder())
    .min(0)
    .fillOpacity(5)
    .legend(new VizLegendOptionsBuilder().displayMode(LegendDisplayMode.List).showLegend(true));
}

function state(panel: PanelOfDashboard): StatBuilder {
  return common(panel, new StatBuilder())
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Background)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(RED_AT_ZERO));
}

function common<Builder extends TimeSeriesBuilder | StatBuilder>(panel: PanelOfDashboard, builder: Builder): Builder {
  const { title, description, unit, width, queries } = panel;
  builder.title(title).description(description).unit(unit).span(width).height(HEIGHT).datasource(DATASOURCE);
  queries.forEach(({ expr, legend }, i) =>
    builder.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode('A'.charCodeAt(0) + i))
        .expr(expr)
        .legendFormat(legend)
        .range(),
    ),
  );
  return builder;
}
