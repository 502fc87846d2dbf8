import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { BothSides } from '../rig/both-sides.ts';
import { bundleDaemon, startDaemonProcess, untilStanding, type DaemonProcess } from '../rig/daemon-process.ts';
import { openRig, until, untilIdle, type Rig } from '../rig/index.ts';

/** As few as show whether a leader that was killed is waited for; client-go's own times are tried too, a few times. */
const SHORT_TIMES = { leaseMs: 3000, renewMs: 2000, retryMs: 400 };
const CHANGES_PER_SECOND = 20;

/** What happens to a leader: killed, told to stop, or paused until another leads. */
const ENDS = ['SIGKILL', 'SIGTERM', 'SIGSTOP'] as const;
type End = (typeof ENDS)[number];

interface HandOver {
  readonly end: End;
  readonly ms: number;
}

let rig: Rig;
let run: RunDirectory;
let bundle: string;
let both: BothSides;
const daemons: DaemonProcess[] = [];

beforeAll(async () => {
  [rig, run] = await Promise.all([openRig(), openRunDirectory('hand-over')]);
  bundle = await bundleDaemon(run);
  both = new BothSides(rig);
  await both.createSteady();
}, 120_000);
afterAll(async () => {
  await both.pause().catch(() => undefined);
  await Promise.all(daemons.map((daemon) => daemon.close()));
  await run.close();
  await rig.close();
}, 60_000);

async function startOne(election: typeof SHORT_TIMES | undefined): Promise<DaemonProcess> {
  const daemon = await startDaemonProcess(rig, {
    ...{ bundle, run, name: `daemon-${daemons.length}` },
    leaderElection: { enabled: true, namespace: rig.namespace },
    toKubernetes: { removalGrace: '1s' },
    timings: { election },
  });
  daemons.push(daemon);
  return daemon;
}

/** Ends the leader under load; resolves when the other leads, and the old one is gone. */
async function handOver(end: End, leader: DaemonProcess, standby: DaemonProcess): Promise<HandOver> {
  const begun = performance.now();
  leader.signal(end);
  const firstWriteMs = await until('a write of the new leader', () => Promise.resolve(standby.firstWriteMs), 60_000);
  await untilStanding(standby, 'leading', 'running');
  // Whatever it was about to do when it was paused, it does now.
  if (end === 'SIGSTOP') leader.signal('SIGCONT');
  await leader.untilEnded();
  // Consul allows few connections of one address, and the proxy keeps its own.
  await leader.close();
  return { end, ms: firstWriteMs - begun };
}

/** One after the other: each time both systems come to be what they should be, and what is steady is never touched. */
async function handOverAll(ends: readonly End[], times: typeof SHORT_TIMES | undefined): Promise<HandOver[]> {
  let leader = await startOne(times);
  await untilStanding(leader, 'leading', 'running');
  await untilIdle(leader);
  await both.rememberSteady();
  const done: HandOver[] = [];
  let standby = await startOne(times);
  for (const end of ends) {
    await untilStanding(standby, 'standby', 'standing by');
    both.start(CHANGES_PER_SECOND);
    await both.untilChanged(10);
    done.push(await handOver(end, leader, standby));
    leader = standby;
    standby = await startOne(times);
    await both.untilChanged(10);
    await both.pause();
    await both.untilWritten();
    await both.expectSteady();
  }
  for (const one of [standby, leader]) {
    one.signal('SIGTERM');
    await one.untilEnded();
    await one.close();
  }
  return done;
}

/** From the signal to the first transaction of the new leader. */
function print(what: string, all: readonly HandOver[]): void {
  const lines = ENDS.map((end) => {
    const times = all.filter((one) => one.end === end).map(({ ms }) => ms);
    const sorted = times.sort((a, b) => a - b).map((ms) => (ms / 1000).toFixed(2));
    return `  ${end.padEnd(8)} ${String(sorted.length).padStart(2)} times, p50 ${sorted[sorted.length >> 1] ?? '-'} s, max ${sorted.at(-1) ?? '-'} s`;
  });
  process.stdout.write(`From the signal to the first write of the new leader, ${what}:\n${lines.join('\n')}\n`);
}

const times = (count: number, end: End) => Array<End>(count).fill(end);

/** The kinds by turns, so that each follows each. */
function mixed(counts: Readonly<Record<End, number>>): End[] {
  const left = ENDS.map((end) => times(counts[end], end));
  const order: End[] = [];
  while (left.some(({ length }) => length > 0)) for (const some of left) order.push(...some.splice(0, 1));
  return order;
}

describe('a leader that ends under 20 changes a second, again and again: nothing is lost, and nothing stays', () => {
  it('with short times', async () => {
    const ends = mixed({ SIGKILL: 17, SIGTERM: 17, SIGSTOP: 11 });
    const all = await handOverAll(ends, SHORT_TIMES);
    print('with a Lease of 3 s', all);
    expect(all.map(({ end }) => end)).toEqual(ends);
  });

  it('with those that are the default', async () => {
    const ends = mixed({ SIGKILL: 2, SIGTERM: 2, SIGSTOP: 1 });
    const all = await handOverAll(ends, undefined);
    print('with a Lease of 15 s', all);
    expect(all.map(({ end }) => end)).toEqual(ends);
  });
});
