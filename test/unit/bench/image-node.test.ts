import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { readDockerfile } from '../../rig/manifests.ts';

const path = (relative: string) => new URL(relative, import.meta.url).pathname;
const read = (file: string): unknown => JSON.parse(readFileSync(path(`../../bench/node/${file}`), 'utf8'));

describe('the Node of the benchmark', () => {
  const { optionalDependencies: wanted } = read('package.json') as { optionalDependencies: Record<string, string> };

  it('has the major version of the image', () => {
    const image = readDockerfile(path('../../../deploy/Dockerfile')).at(-1)?.image ?? '';
    const major = /\/nodejs(\d+)-/.exec(image)?.[1];
    expect(Object.values(wanted).map((version) => version.split('.')[0])).toEqual([major, major]);
  });

  it('is pinned with its sum on each platform', () => {
    const { packages } = read('package-lock.json') as {
      packages: Record<string, { version: string; integrity: string }>;
    };
    const locked = Object.keys(wanted).map((name) => packages[`node_modules/${name}`]);
    expect(locked.map((entry) => entry?.version)).toEqual(Object.values(wanted));
    for (const entry of locked) expect(entry?.integrity).toMatch(/^sha512-/);
  });
});
