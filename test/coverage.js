// The unit tests, and how many branches of src/ they must reach by themselves. What only speaks to servers or wires the
// rest together is left to the integration tests.
import { spawnSync } from 'node:child_process';

const LEAST = 90;
/** Rooms that decide: what they leave out nobody else tests. */
const DECIDING = {
  'to-consul': ['plan', 'desired', 'requests', 'write'],
  'to-kubernetes': ['plan', 'desired', 'requests', 'objects', 'write'],
};
const LEAST_DECIDING = 95;
const ELSEWHERE = [
  'kubernetes/{client,connection,reflector}.ts',
  'consul/client.ts',
  'world/**',
  'commands/**',
  'main.ts',
];

const files = ['src/**/*.ts', ...ELSEWHERE.map((path) => `!src/${path}`)];
const rooms = Object.entries(DECIDING).flatMap(([direction, rooms]) =>
  rooms.map((room) => `./src/${direction}/${room}/`),
);
const threshold = {
  global: { branches: LEAST },
  ...Object.fromEntries(rooms.map((room) => [room, { branches: LEAST_DECIDING }])),
};
const { status } = spawnSync(
  process.execPath,
  [
    ...['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'],
    ...['--selectProjects', 'unit', '--maxWorkers=2', '--coverage', '--coverageReporters=text'],
    ...files.map((path) => `--collectCoverageFrom=${path}`),
    `--coverageThreshold=${JSON.stringify(threshold)}`,
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
process.exitCode = status ?? 1;
