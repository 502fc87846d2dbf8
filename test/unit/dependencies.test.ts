import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { importsOf } from './imports.ts';

/**
 * client-node asks for undici 8, which does not load on Node 20; the override in package.json gives it our undici 7. That
 * works as long as both keep what they have now: these tests say when somebody has to look again.
 */

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
}

const require = createRequire(import.meta.url);
const readManifest = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Manifest;

const ROOT = join(import.meta.dirname, '../..');
const ours = readManifest(join(ROOT, 'package.json'));
/** By path: its `exports` do not show its package.json. */
const CLIENT_NODE = join(ROOT, 'node_modules/@kubernetes/client-node');
const clientNode = readManifest(join(CLIENT_NODE, 'package.json'));

describe('the undici of @kubernetes/client-node', () => {
  const found = createRequire(join(CLIENT_NODE, 'package.json')).resolve('undici/package.json');

  it('is ours, of the pinned version', () => {
    expect(ours.overrides?.undici).toBe('$undici');
    expect(dirname(found)).toBe(join(ROOT, 'node_modules/undici'));
    expect(readManifest(found).version).toBe(ours.dependencies.undici);
  });

  it('is a 7, which the oldest Node we promise can load', () => {
    expect(readManifest(found).version).toMatch(/^7\./);
    expect(ours.engines?.node).toBe('>=20.19.0');
    expect(readManifest(found).engines?.node).toBe('>=20.18.1');
  });

  it('is not installed a second time', () => {
    expect(existsSync(join(CLIENT_NODE, 'node_modules/undici'))).toBe(false);
  });

  it('has everything that client-node imports from it', () => {
    const dist = join(CLIENT_NODE, 'dist');
    const wanted = readdirSync(dist, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.js'))
      .map((path) => ({ path, text: readFileSync(join(dist, path), 'utf8') }))
      .filter(({ text }) => text.includes("from 'undici'"))
      .flatMap(({ path, text }) => importsOf(path, text))
      .filter(({ specifier }) => specifier === 'undici')
      .flatMap(({ names }) => names);
    expect(new Set(wanted)).toEqual(new Set(['fetch', 'Agent', 'ProxyAgent']));
    const undici = require('undici') as Readonly<Record<string, unknown>>;
    expect([...new Set(wanted)].filter((name) => typeof undici[name] !== 'function')).toEqual([]);
  });

  it('was tried with this range; another means that the override has to be tried anew', () => {
    expect([clientNode.version, clientNode.dependencies.undici]).toEqual([
      ours.dependencies['@kubernetes/client-node'],
      '^8.7.0',
    ]);
  });
});

it('every dependency is pinned exactly', () => {
  const loose = Object.entries(ours.dependencies).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
  expect(loose).toEqual([]);
});
