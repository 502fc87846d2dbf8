import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startConsul, startKubernetes, type ConsulServer, type KubernetesPlane } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';
import { KubernetesApi } from '../rig/kubernetes.ts';
import { measureFlips, raftIndex, untilFilled, type Quantiles } from './measure.ts';
import { startConsular, startFloor, type Subject } from './subjects.ts';

const HELP = `npm run bench: Consular beside the smallest program that does the same with no safety at all

Both run against the same real API server, one after the other, each with a Consul of its own.

Options:
  --pods N       annotated pods (default 1000); a service for every 5, a node for every 50
  --flips N      changes of readiness that are measured, 20 a second (default 400)
  --output json  the figures as JSON
  --help

Example:
  npm run bench -- --pods 10000
`;

/** Pods that are flipped: each the only one of its service, so that Consul tells exactly when it changed. */
const PROBES = 20;
const FLIPS_PER_SECOND = 20;

interface Figures {
  readonly subject: string;
  readonly pods: number;
  /** From the start of the process until the last instance is in Consul. */
  readonly fillMs: number;
  readonly fillRaftEntries: number;
  readonly readyToVisibleMs: Quantiles;
  readonly cpuSeconds: number;
  readonly peakMemoryMiB: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      pods: { type: 'string', default: '1000' },
      flips: { type: 'string', default: '400' },
      output: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const pods = wholeNumber('--pods', values.pods, 50_000);
  const flips = wholeNumber('--flips', values.flips, 10_000);
  if (values.output !== 'text' && values.output !== 'json')
    throw new Error(`--output: expected text or json, found "${values.output}"`);
  build();
  const plane = await startKubernetes();
  try {
    const kubernetes = new KubernetesApi(plane.server, plane.caFile, plane.adminToken);
    await createPods(kubernetes, pods);
    const floor = await measure(startFloor, 'ready', plane, kubernetes, pods, flips);
    const consular = await measure(startConsular, 'Kubernetes readiness', plane, kubernetes, pods, flips);
    process.stdout.write(
      values.output === 'json' ? `${JSON.stringify({ floor, consular }, null, 2)}\n` : table(floor, consular),
    );
    await kubernetes.close();
  } finally {
    await plane.stop();
  }
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < PROBES || number > most)
    throw new Error(`${option}: expected a whole number from ${PROBES} to ${most}, found "${text}"`);
  return number;
}

function build(): void {
  const { status } = spawnSync(process.execPath, ['build.js'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('build the bundle: expected it to succeed');
}

const probe = (i: number) => ({ name: `probe-${i}`, service: `probe-${i}` });

async function createPods(kubernetes: KubernetesApi, pods: number): Promise<void> {
  const create = (name: string, i: number, service: string) =>
    kubernetes.createPod('default', name, {
      ip: `10.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`,
      node: `node-${i % Math.ceil(pods / 50)}`,
      annotations: { 'consular.dev/service-name': service },
    });
  for (let i = 0; i < PROBES; i++) await create(probe(i).name, i, probe(i).service);
  let next = PROBES;
  const worker = async () => {
    for (let i = next++; i < pods; i = next++) {
      await create(`pod-${i}`, i, `service-${i % Math.ceil(pods / 5)}`);
      if (i % 1000 === 0) process.stderr.write(`${i} of ${pods} pods created\n`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

async function measure(
  start: (plane: KubernetesPlane, consul: ConsulServer) => Promise<Subject>,
  checkName: string,
  plane: KubernetesPlane,
  kubernetes: KubernetesApi,
  pods: number,
  flips: number,
): Promise<Figures> {
  const server = await startConsul();
  const consul = new ConsulApi(server.address);
  const before = await raftIndex(consul);
  const subject = await start(plane, server);
  process.stderr.write(`measuring ${subject.name} ...\n`);
  try {
    const fillMs = (await untilFilled(consul, checkName, pods)) - subject.startedAt;
    const fillRaftEntries = (await raftIndex(consul)) - before;
    const readyToVisibleMs = await measureFlips(
      kubernetes,
      consul,
      Array.from({ length: PROBES }, (_, i) => probe(i)),
      flips,
      FLIPS_PER_SECOND,
    );
    for (let i = 0; i < PROBES; i++) await kubernetes.setReady('default', probe(i).name, true);
    await untilFilled(consul, checkName, pods);
    return {
      subject: subject.name,
      pods,
      fillMs,
      fillRaftEntries,
      readyToVisibleMs,
      cpuSeconds: await subject.cpuSeconds(),
      peakMemoryMiB: await subject.peakMemory(),
    };
  } finally {
    await subject.stop();
    await consul.close();
    await server.stop();
  }
}

function table(floor: Figures, consular: Figures): string {
  const rows: [string, (figures: Figures) => number][] = [
    ['first fill, from the start of the process, ms', ({ fillMs }) => fillMs],
    ['first fill, Raft entries', ({ fillRaftEntries }) => fillRaftEntries],
    ['Ready to visible in Consul, p50, ms', ({ readyToVisibleMs }) => readyToVisibleMs.p50],
    ['Ready to visible in Consul, p90, ms', ({ readyToVisibleMs }) => readyToVisibleMs.p90],
    ['Ready to visible in Consul, p99, ms', ({ readyToVisibleMs }) => readyToVisibleMs.p99],
    ['Ready to visible in Consul, max, ms', ({ readyToVisibleMs }) => readyToVisibleMs.max],
    ['CPU, seconds', ({ cpuSeconds }) => cpuSeconds],
    ['peak memory, MiB', ({ peakMemoryMiB }) => peakMemoryMiB],
  ];
  const line = (cells: readonly string[]) =>
    `${cells[0]?.padEnd(48) ?? ''}${cells
      .slice(1)
      .map((cell) => cell.padStart(12))
      .join('')}\n`;
  const body = rows.map(([title, of]) =>
    line([title, of(floor).toFixed(1), of(consular).toFixed(1), (of(consular) / of(floor)).toFixed(2)]),
  );
  return [
    `${floor.pods} pods, ${floor.readyToVisibleMs.n} changes at ${FLIPS_PER_SECOND} a second\n`,
    line(['', 'floor', 'consular', 'ratio']),
    ...body,
  ].join('');
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
