import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { createJsonSchema } from '../../../config/json-schema.ts';
import { isAmong, LIVE, LiveConfig, NEEDS_RESTART } from '../../../src/config/live.ts';
import { isObject, objectField, type JsonObject } from '../../../src/json.ts';
import { load } from './parsing.ts';

function leavesOf(section: JsonObject, path: readonly string[] = []): string[] {
  return Object.entries(objectField(section, 'properties')).flatMap(([key, value]) => {
    const inner = isObject(value) ? leavesOf(value, [...path, key]) : [];
    return inner.length > 0 ? inner : [[...path, key].join('.')];
  });
}

const settings = leavesOf(createJsonSchema());

describe('a setting that is changed in the file', () => {
  it.each(settings)('%s either counts at once or needs a restart', (setting) => {
    expect(isAmong(LIVE, setting)).not.toBe(isAmong(NEEDS_RESTART, setting));
  });

  it('is one that there is, in both lists', () => {
    const unknown = [...LIVE, ...NEEDS_RESTART].filter((path) => !settings.some((one) => isAmong([path], one)));
    expect(unknown).toEqual([]);
  });

  it('is listed in the manual where it counts at once', () => {
    const manual = readFileSync(new URL('../../../docs/changing-settings.md', import.meta.url), 'utf8');
    expect(LIVE.filter((setting) => !manual.includes(`\`${setting}\``))).toEqual([]);
  });
});

describe('the configuration of a daemon that runs', () => {
  const before = load('toConsul: {policy: {maxInstances: 3}}');

  it('is what the file said at the start', () => {
    expect(new LiveConfig(before).config).toEqual(before);
  });

  it('has what is safe to change from then on, also in a section that somebody kept', () => {
    const live = new LiveConfig(before);
    const { policy, namespaces } = live.config.toConsul;
    const taken = live.take(load('toConsul: {policy: {maxInstances: 5}, namespaces: {include: [shop]}}\nwrites: off'));
    expect(taken).toEqual({
      changed: ['writes', 'toConsul.namespaces.include', 'toConsul.policy.maxInstances'],
      needRestart: [],
    });
    expect([policy.maxInstances, namespaces.include, live.config.writes]).toEqual([5, ['shop'], 'off']);
  });

  it('needs a restart for other namespaces where each of them has a watch of its own', () => {
    const namespaces = (...names: string[]) =>
      load(
        `toConsul: {watch: namespaces, namespaces: {include: [${names.join()}]}}\nkubernetes: {identityNamespace: shop}`,
      );
    const live = new LiveConfig(namespaces('shop'));
    const needRestart = ['toConsul.namespaces.include'];
    expect(live.take(namespaces('shop', 'bank'))).toEqual({ changed: [], needRestart });
    expect(live.config.toConsul.namespaces.include).toEqual(['shop']);
  });

  it('tells of a setting that sections repeat once', () => {
    expect(new LiveConfig(load('')).take(load('annotationPrefix: a.example')).needRestart).toEqual([
      'annotationPrefix',
    ]);
  });

  it('goes on with what needs a restart, and says so until the file is as it was', () => {
    const live = new LiveConfig(before);
    const file = 'toConsul: {policy: {maxInstances: 3}, hostNetwork: true}\nhttp: {address: ":1"}\nlog: {level: debug}';
    expect(live.take(load(file))).toEqual({
      changed: ['log.level'],
      needRestart: ['toConsul.hostNetwork', 'http.address'],
    });
    expect(live.config.toConsul.hostNetwork).toBe(false);
    expect(live.take(load(file))).toMatchObject({ changed: [], needRestart: ['toConsul.hostNetwork', 'http.address'] });
    expect(live.take(before)).toEqual({ changed: ['log.level'], needRestart: [] });
  });
});

describe('the file of another cluster', () => {
  const start = 'consul: {address: "http://a:8500", datacenter: dc1}';

  it.each([
    ['kubernetes: {context: other}', 'kubernetes.context: expected "" as at the start, found "other"'],
    [
      'kubernetes: {identityNamespace: shop}',
      'kubernetes.identityNamespace: expected "kube-system" as at the start, found "shop"',
    ],
    [
      'consul: {address: "http://b:8500", datacenter: dc1}',
      'consul.address: expected "http://a:8500" as at the start, found "http://b:8500"',
    ],
    [
      'consul: {address: "http://a:8500", datacenter: dc2}',
      'consul.datacenter: expected "dc1" as at the start, found "dc2"',
    ],
  ])('%s is refused as a whole, and taken when it is as at the start', (text, message) => {
    const live = new LiveConfig(load(start));
    const others = 'toConsul: {policy: {maxInstances: 1}}\ntoKubernetes: {services: {include: [nothing]}}';
    const all = text.startsWith('consul') ? text : `${start}\n${text}`;
    expect(() => live.take(load(`${all}\n${others}`))).toThrow(message);
    expect(live.config).toEqual(load(start));
    expect(live.take(load(`${start}\nwrites: off`))).toEqual({ changed: ['writes'], needRestart: [] });
  });
});

describe('the settings writes and removals', () => {
  it.each([
    ['writes: off', 'off'],
    ['writes: on', 'on'],
    ['writes: false', 'off'],
    ['writes: true', 'on'],
    ['', 'on'],
  ])('%j says %s, whichever YAML wrote it', (text, said) => {
    expect(load(text).writes).toBe(said);
  });

  it.each([
    ['never', 'never'],
    ['on', 'on'],
    ['true', 'on'],
  ])('removals: %s is %s', (text, said) => {
    expect(load(`toConsul: {removals: ${text}}`).toConsul.removals).toBe(said);
    expect(load(`toKubernetes: {removals: ${text}}`).toKubernetes.removals).toBe(said);
  });

  it('take nothing else', () => {
    expect(() => load('writes: never')).toThrow('writes: expected on or off or true or false, found "never"');
    expect(() => load('toConsul: {removals: off}')).toThrow('toConsul.removals: expected on or never or true');
  });
});
