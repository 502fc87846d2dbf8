// Runs tests and holds the branches of src/ that they reach against what is the least. The unit tests have to reach what
// decides by themselves; what only speaks to servers, or wires the rest together, counts by all tests of it.
// Usage: node test/coverage.js unit|integration|slow [more arguments for Jest]
import { spawnSync } from 'node:child_process';

const LEAST = 90;
/** Of what speaks to servers, by the everyday tests alone: the long ones reach more. */
const LEAST_OF_SERVERS = 87;
/** Rooms that decide: what they leave out nobody else tests. */
const DECIDING = {
  'to-consul': ['plan', 'desired', 'requests', 'write'],
  'to-kubernetes': ['plan', 'desired', 'requests', 'objects', 'write'],
};
const LEAST_DECIDING = 95;
const OF_SERVERS = [
  'src/kubernetes/{client,connection,kind-reader,reflector}.ts',
  'src/consul/{client,wires,key-value,node-reader}.ts',
  'src/world/**/*.ts',
  'src/commands/**/*.ts',
];
/** Of these the long tests count too: each right is taken away, and each installation broken, in their own time. */
const OF_LONG_TESTS = [
  'src/commands/{doctor,purge}/**/*.ts',
  'src/commands/hold.ts',
  'src/commands/run/{rename,fence-taking,election}.ts',
  'src/to-consul/nodes/rename-node.ts',
  'src/consul/{tunnel,connections,create-client,transport}.ts',
];
/** It runs in processes of its own only, in which nothing is counted. */
const MAIN = 'src/main.ts';

const rooms = Object.entries(DECIDING).flatMap(([direction, rooms]) =>
  rooms.map((room) => `./src/${direction}/${room}/`),
);
const RUNS = {
  unit: {
    workers: 2,
    arguments: ['--selectProjects', 'unit'],
    files: ['src/**/*.ts', `!${MAIN}`, ...[...OF_SERVERS, ...OF_LONG_TESTS].map((path) => `!${path}`)],
    threshold: {
      global: { branches: LEAST },
      ...Object.fromEntries(rooms.map((room) => [room, { branches: LEAST_DECIDING }])),
    },
  },
  integration: {
    // More than two cores: these tests wait for servers most of the time.
    workers: 3,
    arguments: [
      ...['--selectProjects', 'unit', 'integration'],
      // Of the unit tests those of the same files, once more: Jest counts what one run reaches.
      ...[
        '--testPathPatterns',
        'test/integration/',
        'test/unit/(commands|world)/',
        'test/unit/[a-z]+/(client|create-client|connection|reflector)',
      ],
    ],
    files: [...OF_SERVERS, ...OF_LONG_TESTS.map((path) => `!${path}`)],
    threshold: { global: { branches: LEAST_OF_SERVERS } },
  },
  slow: {
    workers: 2,
    arguments: [
      ...['--selectProjects', 'unit', 'integration', 'slow'],
      ...['--testPathPatterns', 'test/slow/', 'test/integration/(doctor|purge|tenants|leaders)', 'test/unit/commands/'],
    ],
    files: OF_LONG_TESTS,
    // Shown, and held against nothing: these tests are too long for each change.
    threshold: {},
  },
};

const [name, ...more] = process.argv.slice(2);
const run = RUNS[name];
if (!run) throw new Error(`node test/coverage.js: expected unit, integration or slow, found "${name ?? ''}"`);
const { status } = spawnSync(
  process.execPath,
  [
    ...['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'],
    ...run.arguments,
    ...[`--maxWorkers=${run.workers}`, '--coverage', '--coverageReporters=text'],
    ...run.files.map((path) => `--collectCoverageFrom=${path}`),
    `--coverageThreshold=${JSON.stringify(run.threshold)}`,
    ...more,
  ],
  { stdio: 'inherit' },
);
process.exitCode = status ?? 1;
