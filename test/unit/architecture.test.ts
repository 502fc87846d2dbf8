import { describe, expect, it } from '@jest/globals';
import { importsOf, readSources, type Import, type SourceFile } from './imports.ts';

/** Who may import whom (the layout is in CONTRIBUTING.md). Each rule lists its violations, so that a failure says where. */

const sources = readSources();
const byPath = new Map(sources.map((source) => [source.path, source]));

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

/**
 * Every room of src/, each above those that may import it. A room is a folder, or a file that stands beside folders. A file
 * imports its own room and what stands above it, with the exceptions below; a file in no room of this list is a mistake.
 */
const ROOMS = [
  ...[
    'json.ts',
    'spelling.ts',
    'annotation-keys.ts',
    'event-reasons.ts',
    'background.ts',
    'heap.ts',
    'clock.ts',
    'denials.ts',
    'backoff.ts',
    'retry-brake.ts',
    'writes.ts',
    'address.ts',
    'mark.ts',
  ],
  ...['config', 'observability', 'status-page'],
  ...['kubernetes/objects.ts', 'kubernetes/encoding', 'kubernetes/kinds', 'kubernetes', 'consul'],
  ...['reconcile', 'guard', 'leadership'],
  ...inDirection('to-consul', [
    ...['views.ts', 'registration', 'requests', 'desired', 'identity', 'observed', 'plan', 'write', 'nodes', 'report'],
    ...['subscriptions.ts', 'loop-options.ts', 'loop.ts', 'index.ts'],
  ]),
  ...inDirection('to-kubernetes', [
    ...[
      'views.ts',
      'problem.ts',
      'grace.ts',
      'desired',
      'requests',
      'tagged-catalog.ts',
      'objects',
      'addresses',
      'observed',
      'retention',
      'names',
      'istio',
    ],
    ...['plan', 'write', 'report', 'imports', 'subscriptions.ts', 'loop.ts', 'index.ts'],
  ]),
  ...['world', 'commands', 'commands/explain', 'commands/doctor', 'commands/readers.ts'],
  ...['commands/command-line.ts', 'main.ts'],
];
const LEAVES = ROOMS.slice(0, ROOMS.indexOf('config'));

/** What no file of a room may import, although it stands above; a pattern ends in a slash where it means a folder. */
const NEVER: readonly (readonly [room: string, ...forbidden: string[]])[] = [
  ['kubernetes', 'consul/'],
  ['consul', 'kubernetes/'],
  ['reconcile', 'kubernetes/', 'consul/'],
  ['guard', 'kubernetes/', 'consul/'],
  ['to-kubernetes', 'to-consul/'],
  ['to-consul/write', 'to-consul/plan/'],
  ['to-kubernetes/write', 'to-kubernetes/plan/planner.ts'],
];

/** Rooms that calculate and do nothing else: no clock, log, chance or I/O, near or far. */
const PURE = [
  ...['address.ts', 'json.ts', 'spelling.ts', 'annotation-keys.ts', 'event-reasons.ts', 'mark.ts', 'guard'],
  ...inDirection('to-consul', ['views.ts', 'registration', 'requests', 'desired', 'plan']),
  ...inDirection('to-kubernetes', [
    'views.ts',
    'problem.ts',
    'desired',
    'requests',
    'objects',
    'names',
    'istio',
    'plan',
  ]),
];

function inDirection(direction: string, rooms: readonly string[]): string[] {
  return rooms.map((room) => `${direction}/${room}`);
}

/** The room of a file: the longest of the list that the path begins with. */
function roomOf(path: string): string | undefined {
  return ROOMS.filter((room) => path === room || path.startsWith(`${room}/`)).sort((a, b) => b.length - a.length)[0];
}

const isWithin = (path: string, place: string) => path === place || path.startsWith(`${place}/`);
const filesIn = (place: string) => sources.filter(({ path }) => isWithin(path, place));

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
    expect(byPath.get('commands/run/daemon.ts')?.imports.length).toBeGreaterThan(3);
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

  it('never go round in a circle, those of types among them', () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const walk = (path: string, above: readonly string[]): void => {
      if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' > '));
      if (done.has(path) || above.includes(path)) return;
      for (const { target } of byPath.get(path)?.imports ?? []) if (byPath.has(target)) walk(target, [...above, path]);
      done.add(path);
    };
    for (const { path } of sources) walk(path, []);
    expect(circles).toEqual([]);
  });
});

describe('rooms', () => {
  it('have every file', () => {
    expect(sources.filter(({ path }) => roomOf(path) === undefined).map(({ path }) => path)).toEqual([]);
  });

  it('import only what stands above them', () => {
    const floorOf = (path: string) => ROOMS.indexOf(roomOf(path) ?? '');
    const allowed = (imported: Import, { path }: SourceFile) =>
      !isOfSrc(imported) || floorOf(imported.target) <= floorOf(path);
    expect(violations(sources, allowed)).toEqual([]);
  });

  it.each(NEVER)('%s/ does not import %s', (room, ...forbidden) => {
    const allowed = ({ target }: Import) => !forbidden.some((start) => target.startsWith(start));
    expect(violations(filesIn(room), allowed)).toEqual([]);
  });

  it.each(['kubernetes', 'consul'])('%s/ knows of config/ its types only', (room) => {
    const allowed = (imported: Import) => imported.typeOnly || !isWithin(imported.target, 'config');
    expect(violations(filesIn(room), allowed)).toEqual([]);
  });

  it('leaves import no other file but leaves', () => {
    const leaves = LEAVES.flatMap(filesIn);
    expect(violations(leaves, (imported) => !isOfSrc(imported) || LEAVES.includes(imported.target))).toEqual([]);
  });
});

describe('pure rooms', () => {
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
  const pure = withDependencies(PURE.flatMap(filesIn).map(({ path }) => path));

  it('are all rooms of the list', () => {
    expect(PURE.filter((room) => !ROOMS.includes(room))).toEqual([]);
  });

  it('load nothing, near or far, that does I/O', () => {
    const allowed = ({ specifier, target, typeOnly, names }: Import) =>
      typeOnly || byPath.has(target) || names.every((name) => CALCULATION[specifier]?.includes(name) ?? false);
    expect(violations(pure, allowed)).toEqual([]);
  });

  it('load no log and no metrics', () => {
    const allowed = ({ target, typeOnly }: Import) => typeOnly || !isWithin(target, 'observability');
    expect(violations(pure, allowed)).toEqual([]);
  });

  it('ask neither the clock nor chance, and wait for nothing', () => {
    const impure =
      /\b(Math\.random|Date\.now|(new )?Date\(\)|performance\b|setTimeout|setInterval|setImmediate|process\b|console\b|fetch\b|crypto\.|await\b)/;
    const found = pure.flatMap(({ path, text }) =>
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
    ['consul', 'consul/transport.ts'],
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

  it('Consul is written to in two modules: its catalog, and the key that fences that', () => {
    const writing = sources.filter(({ text }) => /\/txn\b|client\.put\(/.test(withoutComments(text)));
    expect(writing.map(({ path }) => path)).toEqual(['consul/committer.ts', 'consul/key-value.ts']);
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
