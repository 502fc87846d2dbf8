import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createJsonSchema } from '../../../config/json-schema.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { arrayField, isObject, objectField, stringField, type JsonObject } from '../../../src/json.ts';

/** config/consular.yaml and config/consular.schema.json say what the code says: nothing more, nothing less, nothing else. */

const read = (name: string) => readFileSync(new URL(`../../../config/${name}`, import.meta.url), 'utf8');
const yaml = read('consular.yaml');
const schema = createJsonSchema();

/** What is known of one setting: the same from the schema and from the YAML file. */
interface Setting {
  readonly path: string;
  readonly value: unknown;
  readonly comment: string;
}

function settingsOfSchema(object: JsonObject, path: readonly string[] = []): Setting[] {
  return Object.entries(objectField(object, 'properties')).flatMap(([key, value]) => {
    const property = isObject(value) ? value : {};
    const inner = settingsOfSchema(property, [...path, key]);
    const comment = stringField(property, 'description');
    const setting = { path: [...path, key].join('.'), value: inner.length > 0 ? undefined : property.default, comment };
    return [setting, ...inner];
  });
}

/** One key a line, two blanks a level, the comment right above its key: a layout that is worth keeping anyway. */
function settingsOfYaml(text: string): Setting[] {
  const settings: Setting[] = [];
  let path: string[] = [];
  let comment: string[] = [];
  for (const line of text.split('\n')) {
    const [, indent = '', key] = /^( *)([A-Za-z]+):/.exec(line) ?? [];
    if (key !== undefined) {
      path = [...path.slice(0, indent.length / 2), key];
      settings.push({ path: path.join('.'), value: leafAt(parse(text), path), comment: comment.join(' ') });
    }
    const [, words] = /^ *# (.*)/.exec(line) ?? [];
    comment = words === undefined ? [] : [...comment, words];
  }
  return settings;
}

function leafAt(root: unknown, path: readonly string[]): unknown {
  const value = path.reduce((value, key) => (isObject(value) ? value[key] : undefined), root);
  return isObject(value) && Object.keys(value).length > 0 ? undefined : value;
}

describe('config/consular.yaml', () => {
  const shown = settingsOfYaml(yaml);
  const known = settingsOfSchema(schema);

  it('is what an empty file would be, but for the name of the cluster', () => {
    const config = parseConfig(yaml, {});
    expect(config).toEqual(parseConfig(`cluster: ${config.cluster}`, {}));
  });

  it('shows every setting with its default, in the order of the schema', () => {
    const text = ({ path, value }: Setting) => `${path}: ${JSON.stringify(value)}`;
    const [cluster, ...others] = shown.map(text);
    expect(cluster).toBe('cluster: "my-cluster"');
    expect(others).toEqual(known.slice(1).map(text));
  });

  it('says why each is there, in the words of the schema', () => {
    expect(shown.map(({ path, comment }) => `${path}: ${comment}`)).toEqual(
      known.map(({ path, comment }) => `${path}: ${comment}`),
    );
  });

  it('leaves no setting unexplained', () => {
    const explained = new Set(known.filter(({ comment }) => comment !== '').map(({ path }) => path));
    const leaves = known.filter(({ path }) => !known.some((other) => other.path.startsWith(`${path}.`)));
    const unexplained = leaves.filter(
      ({ path }) => !explained.has(path) && !explained.has(path.slice(0, path.lastIndexOf('.'))),
    );
    expect(unexplained.map(({ path }) => path)).toEqual([]);
  });

  it('tells editors where its schema is', () => {
    expect(yaml).toMatch(/^# yaml-language-server: \$schema=\.\/consular\.schema\.json\n/);
  });
});

describe('config/consular.schema.json', () => {
  it('is what the code says; npm run schema writes it', () => {
    expect(JSON.parse(read('consular.schema.json'))).toEqual(schema);
  });

  it('asks for the cluster and for nothing else, and knows no other settings', () => {
    expect(arrayField(schema, 'required')).toEqual(['cluster']);
    expect(schema.additionalProperties).toBe(false);
  });
});

describe.each(['deploy/kubernetes', 'deploy/tenant'])('%s/consular.yaml', (folder) => {
  const text = readFileSync(new URL(`../../../${folder}/consular.yaml`, import.meta.url), 'utf8');

  it('mirrors nothing until names are listed', () => {
    expect(parseConfig(text, {}).toKubernetes.services).toEqual({ include: [], exclude: [] });
  });

  it('has an example of names that is one when its comment is taken away', () => {
    const uncommented = text.replace(/^ *include: \[\]\n/m, '').replace('# include: [billing', 'include: [billing');
    expect(parseConfig(uncommented, {}).toKubernetes.services.include).toEqual(['billing', 'payments-*']);
  });

  it('tells editors where its schema is', () => {
    const [, path = ''] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text) ?? [];
    expect(new URL(path, new URL(`../../../${folder}/`, import.meta.url)).href).toBe(
      new URL('../../../config/consular.schema.json', import.meta.url).href,
    );
  });
});
