import { cpuSecondsOf } from './usage.ts';

/** Process IDs of those whose CPU a case is about. */
export interface Parts {
  /** 0 where there is none. */
  readonly subject: number;
  readonly consul: number;
  readonly apiServer: number;
  readonly etcd: number;
}

/** Of each part, by its name. */
export type PerPart = Readonly<Record<keyof Parts, number>>;

/** CPU seconds of each part, and how long that took. */
export interface Spent extends PerPart {
  readonly seconds: number;
}

/** What each part has used since this; it can be asked more than once. */
export async function startStopwatch(parts: Parts): Promise<() => Promise<Spent>> {
  const before = await read(parts);
  const start = performance.now();
  return async () => {
    const now = await read(parts);
    return { ...perPart((name) => now[name] - before[name]), seconds: (performance.now() - start) / 1000 };
  };
}

/** What a part uses although nobody asks anything of it, in CPU seconds a second. */
export async function measureBackground(parts: Omit<Parts, 'subject'>, wait: () => Promise<unknown>): Promise<PerPart> {
  // A program that does not run yet uses nothing.
  const stopwatch = await startStopwatch({ ...parts, subject: NOBODY });
  await wait();
  const spent = await stopwatch();
  return perPart((name) => spent[name] / spent.seconds);
}

/** Milliseconds of CPU of each part, without the background, by how often something was done. */
export function caused(spent: Spent, background: PerPart, times: number): PerPart {
  return perPart((name) => (1000 * (spent[name] - background[name] * spent.seconds)) / times);
}

const NOBODY = 0;

function perPart(of: (name: keyof Parts) => number): PerPart {
  return { subject: of('subject'), consul: of('consul'), apiServer: of('apiServer'), etcd: of('etcd') };
}

async function read(parts: Parts): Promise<PerPart> {
  const of = (name: keyof Parts) => (parts[name] === NOBODY ? Promise.resolve(0) : cpuSecondsOf(parts[name]));
  const [subject, consul, apiServer, etcd] = await Promise.all([
    of('subject'),
    of('consul'),
    of('apiServer'),
    of('etcd'),
  ]);
  return { subject, consul, apiServer, etcd };
}
