import { readFileSync } from 'node:fs';
import { isAmong, LIVE } from '../src/config/live.ts';
import { EVENT_REASONS, type Words } from '../src/event-reasons.ts';
import { arrayField, isObject, objectField, stringField, type JsonObject } from '../src/json.ts';
import { createMetrics } from '../src/observability/metrics.ts';
import { createJsonSchema } from './json-schema.ts';

/** The pages of the manual that say what the code says: `npm run schema` writes them, and a unit test compares them. */
export const PAGES: Readonly<Record<string, () => Promise<string> | string>> = {
  'docs/settings.md': settingsPage,
  'docs/metrics.md': metricsPage,
  'docs/events.md': eventsPage,
};

const BEGIN = '<!-- written by npm run schema -->';
const END = '<!-- end -->';

const table = (rows: readonly (readonly string[])[]) => rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const code = (text: string) => `\`${text.replaceAll('|', '\\|')}\``;

/** Every setting with its default, its values and what it is for, a heading for each section of the file. */
function settingsPage(): string {
  const schema = createJsonSchema();
  const sections = Object.entries(objectField(schema, 'properties'));
  const isSection = ([, property]: [string, unknown]) => isObject(property) && 'properties' in property;
  const parts = [
    '# Settings',
    'All settings of `consular.yaml`. Only `cluster` is required. *Live* says whether a change takes effect\n' +
      '[without a restart](changing-settings.md#without-a-restart).\n\n' +
      '[config/consular.yaml](../config/consular.yaml) has the same as a file to copy, and\n' +
      '[config/consular.schema.json](../config/consular.schema.json) for editors: see [configuration](configuration.md).',
    `## At the top\n\n${settingsTable(sections.filter((section) => !isSection(section)))}`,
    ...sections
      .filter(isSection)
      .map(([name, section]) => `## ${name}\n\n${settingsTable(leavesOf(section as JsonObject, [name]))}`),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** The settings below a section, by their paths; one without its own description has that of the section that it is in. */
function leavesOf(section: JsonObject, path: readonly string[]): [string, JsonObject][] {
  return Object.entries(objectField(section, 'properties')).flatMap(([key, value]) => {
    const property = isObject(value) ? value : {};
    const inner = [...path, key];
    const ofSection = key === 'exclude' ? 'Exceptions from include.' : stringField(section, 'description');
    const description = stringField(property, 'description') || ofSection;
    if ('properties' in property) return leavesOf({ ...property, description }, inner);
    return [[inner.join('.'), { ...property, description }]];
  });
}

function settingsTable(settings: readonly (readonly [string, unknown])[]): string {
  const rows = settings.map(([path, value]) => {
    const property = isObject(value) ? value : {};
    const words = stringField(property, 'description');
    const [live, shown] = [
      isAmong(LIVE, path) ? 'yes' : '',
      'default' in property ? JSON.stringify(property.default) : '',
    ];
    return [
      code(path),
      shown === '' ? 'required' : code(shown),
      valuesOf(property),
      live,
      words.replaceAll(/[|*]/g, '\\$&'),
    ];
  });
  return table([['Setting', 'Default', 'Values', 'Live', ''], ['---', '---', '---', '---', '---'], ...rows]);
}

function valuesOf(property: JsonObject): string {
  const choices = arrayField(property, 'enum');
  if (choices.length > 0) return choices.map((choice) => code(String(choice))).join(', ');
  const kinds = arrayField(property, 'anyOf').flatMap((kind) => (isObject(kind) ? [valuesOf(kind)] : []));
  return kinds.length > 0 ? [...new Set(kinds)].join(', ') : stringField(property, 'type');
}

/** The page with its table of metrics made anew; the words around it are people's. */
async function metricsPage(): Promise<string> {
  const metrics = await createMetrics().registry.getMetricsAsJSON();
  const labels = labelsByMetric();
  const rows = metrics.map(({ name, type, help }) => [
    code(name),
    String(type),
    (labels.get(name) ?? []).map(code).join(', '),
    help,
  ]);
  const page = readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8');
  const made = table([['Metric', 'Type', 'Labels', ''], ['---', '---', '---', '---'], ...rows]);
  return page.replace(new RegExp(`${BEGIN}[^]*${END}`), () => `${BEGIN}\n\n${made}\n\n${END}`);
}

/** The page with its tables of reasons made anew, one for each object that carries Events; the words around them are people's. */
function eventsPage(): string {
  const page = readFileSync(new URL('../docs/events.md', import.meta.url), 'utf8');
  return Object.entries<Words>(EVENT_REASONS).reduce((text, [on, reasons]) => {
    const begin = `<!-- written by npm run schema: ${on} -->`;
    const place = new RegExp(`${begin}[^]*?${END}`);
    if (!place.test(text)) throw new Error(`write docs/events.md: expected ${begin} and ${END}, found none`);
    const rows = Object.entries(reasons).map(([reason, { wrong, mend }]) => [code(reason), wrong, mend]);
    const made = table([['Reason', 'What is wrong', 'What to do'], ['---', '---', '---'], ...rows]);
    return text.replace(place, () => `${begin}\n\n${made}\n\n${END}`);
  }, page);
}

function labelsByMetric(): Map<string, readonly string[]> {
  const { registry } = createMetrics();
  const metrics = registry.getMetricsAsArray() as readonly { name: string; labelNames?: readonly string[] }[];
  return new Map(metrics.map(({ name, labelNames = [] }) => [name, labelNames] as const));
}
