import { describe, expect, it } from '@jest/globals';
import type { Patterns } from '../../../../src/config/pattern.ts';
import { labelsOf, localityOf, serviceAccountOf } from '../../../../src/to-kubernetes/objects/workload-labels.ts';
import { instance, strings } from '../../builders.ts';

const ALL: Patterns = { include: ['*'], exclude: [] };
const labels = (meta: Record<string, string>, tags: string[] = [], allowed = ALL) =>
  Object.fromEntries(labelsOf(instance({ meta: strings(meta), tags }), allowed));

describe('the labels of an instance', () => {
  it('are its meta, and its tags with a value', () => {
    expect(labels({ version: 'v2' }, ['stage=blue', 'track|canary', 'primary'])).toEqual({
      version: 'v2',
      stage: 'blue',
      track: 'canary',
    });
  });

  it.each([
    ['the meta before a tag', { version: 'v1' }, ['version=v2'], 'v1'],
    ['the first tag before the second', {}, ['version=v1', 'version|v2'], 'v1'],
    ['a tag where the meta is no label', { version: 'v 1' }, ['version=v2'], 'v2'],
    ['what stands behind the first sign', {}, ['version=v2|x'], undefined],
  ])('take %s', (_, meta, tags, version) => {
    expect(labels(meta as Record<string, string>, tags).version).toBe(version);
  });

  it('are only those that are allowed', () => {
    const allowed = { include: ['version', 'x-*'], exclude: ['x-secret'] };
    expect(labels({ version: 'v1', zone: 'a', 'x-team': 'shop', 'x-secret': 's' }, ['zone=b'], allowed)).toEqual({
      version: 'v1',
      'x-team': 'shop',
    });
  });

  it.each([
    ['a key with a prefix, which could be a command to Istio', 'security.istio.io/tlsMode', 'istio'],
    ['our own key', 'consular.dev/workload-of', 'other'],
    ['the name of the service', 'app', 'other'],
    ['__proto__', '__proto__', 'x'],
    ['an empty key', '', 'x'],
    ['a key that is too long', 'k'.repeat(64), 'x'],
    ['a key with a blank', 'a b', 'x'],
    ['an empty value', 'a', ''],
    ['a value that is too long', 'a', 'v'.repeat(64)],
    ['a value with a slash', 'a', 'feature/x'],
    ['a value that ends in a dash', 'a', 'v-'],
    ['a value beyond ASCII', 'a', 'é'],
    ['a value with a line break', 'a', 'v\n'],
  ])('are never %s', (_, key, value) => {
    expect([...labelsOf(instance({ meta: new Map([[key, value]]), tags: [`${key}=${value}`] }), ALL)]).toEqual([]);
  });

  it('are a bounded number, whatever the tags are', () => {
    const tags = Array.from({ length: 1000 }, (_, i) => `key-${i}=x`);
    expect(Object.keys(labels({ version: 'v1' }, tags))).toHaveLength(64);
    expect(labels({ version: 'v1' }, tags).version).toBe('v1');
  });

  it.each(['consul', 'constructor', 'toString'])('may be called %s', (key) => {
    expect(labelsOf(instance({ meta: strings({ [key]: 'x' }) }), ALL)).toEqual(new Map([[key, 'x']]));
  });
});

describe('the locality of an instance', () => {
  const meta = strings({ region: 'eu', zone: 'eu-1a', rack: '7', odd: 'a/b' });

  it.each([
    ['', ''],
    ['{region}', 'eu'],
    ['{region}/{zone}', 'eu/eu-1a'],
    ['{region}/{zone}/{rack}', 'eu/eu-1a/7'],
    ['fixed/{zone}', 'fixed/eu-1a'],
    ['{region}/{zone}-r{rack}', 'eu/eu-1a-r7'],
    ['{region}/{nothing}/{rack}', 'eu'],
    ['{nothing}/{zone}', ''],
    ['{region}/{odd}', 'eu'],
  ])('from %j is %j', (template, locality) => {
    expect(localityOf(instance({ meta }), template)).toBe(locality);
  });

  it('takes a value for what it is, also one with a dollar sign in mind', () => {
    expect(localityOf(instance({ meta: strings({ zone: '$&' }) }), 'eu/{zone}')).toBe('eu');
  });
});

describe('the service account of an instance', () => {
  const account = (value: string, key = 'account') =>
    serviceAccountOf(instance({ meta: strings({ [key]: value }) }), 'account');

  it.each(['billing', 'billing-vm', 'a.b', 'x'.repeat(253)])('can be %s', (name) => {
    expect(account(name)).toBe(name);
  });

  it.each(['', 'Billing', '-a', 'a-', 'a..b', 'a.-b', 'a/b', 'a b', 'a\n', 'x'.repeat(254)])(
    'is nothing where %j is said',
    (name) => {
      expect(account(name)).toBe('');
    },
  );

  it('is what the one meta key says that may say it, and nobody else', () => {
    expect(account('billing', 'other')).toBe('');
    expect(serviceAccountOf(instance({ meta: strings({ '': 'billing' }) }), '')).toBe('');
  });
});
