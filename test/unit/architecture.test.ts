import { describe, expect, it } from '@jest/globals';
import { importsOf, readSources, roomOf, type Import, type SourceFile } from './imports.ts';

/** Who may import whom (the layout is in CONTRIBUTING.md). Each rule lists its violations, so that a failure says where. */

const sources = readSources();
const byPath = new Map(sources.map((source) => [source.path, source]));
const inRoom = (...rooms: string[]) => sources.filter(({ path }) => rooms.includes(roomOf(path)));

const isOfSrc = ({ target }: Import) => byPath.has(target);
const isPackage = ({ specifier }: Import) => !specifier.startsWith('.') && !specifier.startsWith('node:');

function violations(
  files: readonly SourceFile[],
  isAllowed: (imported: Import, from: SourceFile) => boolean,
): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((imported) => !isAllowed(imported, file))
      .map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
}

/** Leaf files that belong to nobody and that everybody may use. */
const LEAVES = ['json.ts', 'backoff.ts', 'address.ts'];
const isLeaf = ({ target }: Import) => LEAVES.includes(target);
const isIn =
  (...rooms: string[]) =>
  (imported: Import) =>
    isOfSrc(imported) && rooms.includes(roomOf(imported.target));

describe('reading the imports of a file', () => {
  it('finds every kind', () => {
    const text = `
      import a, { b as c, type D } from './a.ts';
      import * as e from '../x/e.ts';
      import type { F } from 'f';
      import { type G, type H } from 'g';
      import 'side-effect';
      export { i } from './i.ts';
      export type { J } from 'j';
      const k = await import('node:k');
      type L = import('l').L;
    `;
    expect(
      importsOf('room/file.ts', text).map(({ target, typeOnly, names }) => `${target} ${typeOnly} ${names.join()}`),
    ).toEqual([
      'room/a.ts false default,b,D',
      'x/e.ts false *',
      'f true F',
      'g true G,H',
      'side-effect false *',
      'room/i.ts false *',
      'j true *',
      'node:k false *',
      'l true *',
    ]);
  });

  it('finds the files of src/', () => {
    expect(sources.length).toBeGreaterThan(30);
    expect(byPath.get('main.ts')?.imports.length).toBeGreaterThan(3);
  });
});

describe('imports within src/', () => {
  const relative = sources.flatMap(({ path, imports }) =>
    imports.filter(({ specifier }) => specifier.startsWith('.')).map((imported) => ({ path, ...imported })),
  );

  it('end in .ts and lead to a file of src/', () => {
    const wrong = relative.filter((imported) => !imported.specifier.endsWith('.ts') || !isOfSrc(imported));
    expect(wrong.map(({ path, specifier }) => `${path} imports ${specifier}`)).toEqual([]);
  });

  it('never go round in a circle at run time', () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const walk = (path: string, above: readonly string[]): void => {
      if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' > '));
      if (done.has(path) || above.includes(path)) return;
      for (const { target, typeOnly } of byPath.get(path)?.imports ?? [])
        if (!typeOnly && byPath.has(target)) walk(target, [...above, path]);
      done.add(path);
    };
    for (const { path } of sources) walk(path, []);
    expect(circles).toEqual([]);
  });
});

describe('rooms', () => {
  it.each(['kubernetes', 'consul'])('%s/ imports itself, types of config, observability and leaf files', (room) => {
    const allowed = (imported: Import) =>
      !isOfSrc(imported) ||
      isIn(room, 'observability')(imported) ||
      isLeaf(imported) ||
      (isIn('config')(imported) && imported.typeOnly);
    expect(violations(inRoom(room), allowed)).toEqual([]);
  });

  it('reconcile/ knows neither system and no direction', () => {
    const allowed = (imported: Import) =>
      !isOfSrc(imported) || isIn('reconcile', 'observability', 'config')(imported) || isLeaf(imported);
    expect(violations(inRoom('reconcile'), allowed)).toEqual([]);
  });

  it.each([
    ['to-consul', 'to-kubernetes'],
    ['to-kubernetes', 'to-consul'],
  ])('%s/ does not import %s/', (from, to) => {
    expect(violations(inRoom(from), (imported) => !isIn(to)(imported))).toEqual([]);
  });

  it('config/, observability/ and leaf files know nothing of what is built on them', () => {
    const low = inRoom('config', 'observability', ...LEAVES);
    const allowed = (imported: Import) =>
      !isOfSrc(imported) || isIn('config', 'observability')(imported) || isLeaf(imported);
    expect(violations(low, allowed)).toEqual([]);
    expect(violations(inRoom(...LEAVES), (imported) => !isOfSrc(imported))).toEqual([]);
  });

  it('nothing but main.ts and commands/ imports commands/', () => {
    const others = sources.filter(({ path }) => !['main.ts', 'commands'].includes(roomOf(path)));
    expect(violations(others, (imported) => !isIn('commands')(imported))).toEqual([]);
  });

  it('nothing imports main.ts', () => {
    expect(violations(sources, ({ target }) => target !== 'main.ts')).toEqual([]);
  });
});

describe('pure modules', () => {
  const pure = [
    'address.ts',
    ...[
      'annotations',
      'registrator',
      'requests',
      'registration',
      'desired',
      'observation',
      'empty-node',
      'policy',
      'readiness-gate',
      'summary',
    ].map((name) => `to-consul/${name}.ts`),
    ...[
      'naming',
      'selection',
      'majority',
      'mirrored-ports',
      'mirrored-service',
      'missing-endpoints',
      'shape',
      'warnings',
      'desired',
      'same',
      'slice-hosts',
      'bodies',
      'imports/request',
      'imports/slices',
    ].map((name) => `to-kubernetes/${name}.ts`),
    ...['mode', 'labels', 'entries', 'spread', 'plan'].map((name) => `to-kubernetes/workload-${name}.ts`),
  ];

  /** The files with everything that they load at run time, near and far. */
  function withDependencies(paths: readonly string[]): SourceFile[] {
    const reached = new Set(paths);
    for (const path of reached)
      for (const { target, typeOnly } of byPath.get(path)?.imports ?? [])
        if (!typeOnly && byPath.has(target)) reached.add(target);
    return [...reached].flatMap((path) => byPath.get(path) ?? []);
  }

  const CALCULATION: Readonly<Record<string, readonly string[]>> = {
    'node:crypto': ['createHash'],
    'node:net': ['isIP', 'isIPv4', 'isIPv6', 'BlockList'],
  };

  it('are all there', () => {
    expect(pure.filter((path) => !byPath.has(path))).toEqual([]);
  });

  it('load nothing, near or far, that does I/O', () => {
    const allowed = ({ specifier, target, typeOnly, names }: Import) =>
      typeOnly || byPath.has(target) || names.every((name) => CALCULATION[specifier]?.includes(name) ?? false);
    expect(violations(withDependencies(pure), allowed)).toEqual([]);
  });

  it('load no log and no metrics', () => {
    expect(
      violations(withDependencies(pure), (imported) => imported.typeOnly || !isIn('observability')(imported)),
    ).toEqual([]);
  });

  it('ask neither the clock nor chance', () => {
    const impure =
      /\b(Math\.random|Date\.now|(new )?Date\(\)|performance\b|setTimeout|setInterval|setImmediate|process\b|console\b|fetch\b|crypto\.)/;
    const found = withDependencies(pure).flatMap(({ path, text }) =>
      withoutComments(text)
        .split('\n')
        .filter((line) => impure.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

describe('the world outside', () => {
  it.each([
    ['@kubernetes/client-node', 'kubernetes/connection.ts'],
    ['consul', 'consul/client.ts'],
  ])('%s is loaded at run time in one module', (name, where) => {
    const isOf = ({ specifier }: Import) => specifier === name || specifier.startsWith(`${name}/`);
    const loading = sources.filter(({ imports }) => imports.some((imported) => isOf(imported) && !imported.typeOnly));
    expect(loading.map(({ path }) => path)).toEqual([where]);
  });

  it('the command line and the environment are read in main.ts', () => {
    const reading = sources.filter(({ text }) =>
      /\bprocess\s*\??\.?\s*(\.|\[\s*['"`])\s*(argv|env)\b/.test(withoutComments(text)),
    );
    expect(reading.map(({ path }) => path)).toEqual(['main.ts']);
  });

  it('packages are those of package.json', async () => {
    const { default: manifest } = (await import('../../package.json', { with: { type: 'json' } })) as {
      default: { dependencies: Record<string, string> };
    };
    const known = Object.keys(manifest.dependencies);
    const used = new Set(sources.flatMap(({ imports }) => imports.filter(isPackage).map(({ specifier }) => specifier)));
    expect([...used].filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe('files', () => {
  it('have at most 330 lines', () => {
    const long = sources.map(({ path, text }) => [path, text.trimEnd().split('\n').length] as const);
    expect(long.filter(([, lines]) => lines > 330)).toEqual([]);
  });

  it('switch no check off', () => {
    const off = sources.filter(({ text }) =>
      /@ts-(ignore|nocheck|expect-error)|eslint-disable|prettier-ignore/.test(text),
    );
    expect(off.map(({ path }) => path)).toEqual([]);
  });
});
