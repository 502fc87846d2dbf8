import { readFileSync } from 'node:fs';
import { isMap, isScalar, parseDocument } from 'yaml';
import { createJsonSchema } from './json-schema.ts';

const FOLDER = 'deploy/helm/consular';
const readFrom = (folder: string, name: string) =>
  readFileSync(new URL(`../${folder}/${name}`, import.meta.url), 'utf8');
const read = (name: string) => readFrom(FOLDER, name);
/** A chart can only use what is in its own folder. */
const MONITORING = ['alerts.yaml', 'dashboard.json'].map((name): [string, () => string] => [
  `${FOLDER}/monitoring/${name}`,
  () => readFrom('deploy/monitoring', name),
]);

/** What follows from files elsewhere and from the settings: `npm run schema` writes them, and a unit test compares them. */
export const CHART_FILES: Readonly<Record<string, () => string>> = {
  [`${FOLDER}/values.schema.json`]: () =>
    `${JSON.stringify(createValuesSchema(readChartValues(read('values.yaml')), createJsonSchema()), null, 2)}\n`,
  [`${FOLDER}/README.md`]: () => {
    const table = valuesTable(readChartValues(read('values.yaml')));
    return read('README.md').replace(
      /(<!-- written by npm run schema -->\n)[^]*(\n<!-- end -->)/,
      `$1\n${table.replaceAll('$', '$$$$')}\n$2`,
    );
  },
  ...Object.fromEntries(MONITORING),
};

/** One value of the chart, as values.yaml has it. */
interface ChartValue {
  /** With dots, as `--set` takes it. */
  readonly path: string;
  /** The comment above it, and above the maps that it is in; empty where there is none. */
  readonly description: string;
  readonly default: unknown;
}

/** Values that Kubernetes judges: whatever it takes may stand there. */
const OF_KUBERNETES = new Set([
  ...['resources', 'livenessProbe', 'readinessProbe', 'podSecurityContext', 'securityContext'],
  ...['affinity', 'dnsConfig', 'nodeSelector', 'commonLabels', 'podLabels', 'podAnnotations'],
]);
/** The configuration of the program has a schema of its own. */
const CONFIG = 'config';
const GLOBAL = 'global';

/** A map of values, or one value. */
type Tree = ChartValue | { readonly path: string; readonly members: ReadonlyMap<string, Tree> };

/** The values of the chart in the order of the file. @param text that of values.yaml */
export function readChartValues(text: string): Tree {
  const { contents } = parseDocument(text);
  if (!isMap(contents)) throw new Error('read values.yaml: expected a map');
  return treeOf(contents, '', '');
}

/** Each value, in the order of the file. */
export function leavesOf(tree: Tree): ChartValue[] {
  return 'members' in tree ? [...tree.members.values()].flatMap(leavesOf) : [tree];
}

function treeOf(value: unknown, path: string, description: string): Tree {
  if (!isMap(value) || value.items.length === 0 || isWhole(path))
    return { path, description, default: isMap(value) || !isScalar(value) ? jsonOf(value) : value.value };
  const members = value.items.map(({ key, value: member }, i): [string, Tree] => {
    if (!isScalar(key)) throw new Error(`read values.yaml: expected a name in ${path}`);
    const name = String(key.value);
    // The comment above the first of a map is taken for one above the map.
    const comment = key.commentBefore ?? (i === 0 ? value.commentBefore : undefined);
    const words =
      comment
        ?.replace(/^ yaml-language-server.*$/m, '')
        .replace(/\s+/g, ' ')
        .trim() ?? '';
    const above = words === '' && isMap(member) ? description : words;
    return [name, treeOf(member, path === '' ? name : `${path}.${name}`, above)];
  });
  return { path, members: new Map(members) };
}

function isWhole(path: string): boolean {
  return path === CONFIG || OF_KUBERNETES.has(path) || path.endsWith('.labels') || path.endsWith('.annotations');
}

function jsonOf(value: unknown): unknown {
  return (value as { toJSON(): unknown }).toJSON();
}

/**
 * The schema by which Helm refuses a value that the chart does not have, and a setting that the program does not have.
 * @param ofConfig that of consular.yaml
 */
export function createValuesSchema(tree: Tree, ofConfig: object): object {
  const { $schema, ...config } = ofConfig as { $schema: string };
  const schemaOf = (one: Tree): object => {
    if ('members' in one)
      return {
        type: 'object',
        // Charts beside this one have global values too.
        additionalProperties: one.path === GLOBAL,
        properties: Object.fromEntries([...one.members].map(([name, member]) => [name, schemaOf(member)])),
      };
    if (one.path === CONFIG) return config;
    return { ...(one.description === '' ? {} : { description: one.description }), ...typeOf(one.default) };
  };
  const { properties, ...whole } = schemaOf(tree) as { properties: object };
  // Helm hands these to a chart that is part of another.
  return { $schema, title: 'Values of the chart', ...whole, properties: { ...properties, enabled: {} } };
}

function typeOf(value: unknown): object {
  if (Array.isArray(value)) return { type: 'array' };
  if (value === 'auto') return { enum: ['auto', true, false] };
  // Null takes a default away.
  if (value !== null && typeof value === 'object') return { type: ['object', 'null'] };
  return { type: typeof value === 'number' ? 'integer' : typeof value };
}

/** The table of values for people, in Markdown. */
function valuesTable(tree: Tree): string {
  const rows = leavesOf(tree).map(({ path, description, default: value }) => {
    const shown = path === CONFIG ? '' : `\`${JSON.stringify(value)}\``;
    return `| \`${path}\` | ${shown} | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| Value | Default | |', '|---|---|---|', ...rows].join('\n');
}
