import { PANELS, type PanelOfDashboard } from '../../deploy/monitoring/panels.ts';

/** One line of a panel: its name, and a value for each second, where there was one. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [time: number, value: number])[];
}

/** Asks what a query of a panel was in the time that is drawn. */
export type Ask = (query: PanelOfDashboard['queries'][number]) => Promise<readonly Line[]>;

const [WIDTH, HEIGHT] = [380, 110];
const COLOURS = ['#3274d9', '#e0752d', '#37872d', '#a352cc', '#c4162a', '#8f6b00', '#0a8a8a', '#666666'];
const STYLE = `
  body { font: 12px sans-serif; color: #24292e; background: #f4f5f5; margin: 8px; width: 1260px }
  main { display: grid; grid-template-columns: repeat(24, 1fr); gap: 8px }
  section { background: #fff; border: 1px solid #dcdcdc; border-radius: 2px; padding: 8px; overflow: hidden }
  h2 { font-size: 13px; margin: 0 0 6px } svg { display: block; width: 100%; height: ${HEIGHT}px }
  span { margin-right: 10px; white-space: nowrap; font-size: 11px } i { display: inline-block; width: 10px; height: 3px; margin: 3px }
  b { display: block; color: #fff; margin: 2px 0; padding: 2px 6px; font-weight: normal; font-size: 11px }
`;

/** The panels of the dashboard as a page of their own, for a picture: what Grafana shows, and not Grafana. */
export async function drawDashboard(ask: Ask): Promise<string> {
  const sections = PANELS.map(async (panel) => {
    const answers = await Promise.all(panel.queries.map(ask));
    const lines = answers.flat();
    const body = panel.isState ? states(lines) : chart(lines, panel.unit) + legend(lines);
    return `<section style="grid-column: span ${panel.width}"><h2>${escape(panel.title)}</h2>${body}</section>`;
  });
  const drawn = (await Promise.all(sections)).join('');
  return `<!doctype html><meta charset="utf-8"><style>${STYLE}</style><main>${drawn}</main>`;
}

function states(lines: readonly Line[]): string {
  return lines
    .map(({ name, points }) => {
      const value = points.at(-1)?.[1] ?? 0;
      return `<b style="background: ${value > 0 ? '#37872d' : '#c4162a'}">${escape(name)} ${value}</b>`;
    })
    .join('');
}

function chart(lines: readonly Line[], unit: PanelOfDashboard['unit']): string {
  const points = lines.flatMap((line) => line.points).filter(([, value]) => Number.isFinite(value));
  const times = points.map(([time]) => time);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const highest = Math.max(...points.map(([, value]) => value)) || 1;
  const place = ([time, value]: readonly [number, number]) =>
    `${(((time - first) / (last - first || 1)) * WIDTH).toFixed(1)},${(HEIGHT - 2 - (value / highest) * (HEIGHT - 16)).toFixed(1)}`;
  const drawn = lines.map(({ points: own }, i) => {
    const path = own.filter(([, value]) => Number.isFinite(value)).map(place);
    return `<polyline points="${path.join(' ')}" fill="none" stroke="${colour(i)}" vector-effect="non-scaling-stroke"/>`;
  });
  const top = `<div style="font-size: 10px; color: #777">${escape(shown(highest, unit))}</div>`;
  return `${top}<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">${drawn.join('')}</svg>`;
}

function shown(value: number, unit: PanelOfDashboard['unit']): string {
  if (unit === 'bytes') return `${Math.round(value / 2 ** 20)} MiB`;
  if (unit === 's') return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
  const number = value < 10 ? value.toFixed(1) : String(Math.round(value));
  return unit === 'none' ? number : `${number} a second`;
}

function legend(lines: readonly Line[]): string {
  return lines.map(({ name }, i) => `<span><i style="background: ${colour(i)}"></i>${escape(name)}</span>`).join(' ');
}

const colour = (i: number) => COLOURS[i % COLOURS.length];
const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
