import { Gauge, type Registry } from 'prom-client';
import type { Judgement } from './causes.ts';

export const DIRECTIONS = ['to-consul', 'to-kubernetes'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** What one direction has and does now. */
export interface DirectionState {
  /** Consul instances, or mirrored Consul services. */
  readonly owned: number;
  /** What would go and stays, because much was lost at once. */
  readonly retained: number;
  /** What would go and stays, because the setting removals is never. */
  readonly kept: number;
  /** Objects for which what was asked cannot be done. */
  readonly rejected: number;
  /** What stays as it is although it should change; only instances in Consul are held. */
  readonly held: number;
  /** Consul services that are not mirrored, because toKubernetes.maxServices is reached. */
  readonly overLimit: number;
  /** Keys whose last try failed. */
  readonly failing: number;
  /** Keys in the queue. */
  readonly waiting: number;
  /** How long the key waits that has waited longest, those that fail among them; 0 when none waits. */
  readonly oldestWaitingMs: number;
  /** When a key was last made right, or found to be right; undefined before the first. */
  readonly lastSuccess: Date | undefined;
}

/** What is known without counting, and is asked for when somebody scrapes. */
export interface StateSource {
  /** Of everything that decides whether this process is ready. */
  judgements(): readonly Judgement[];
  /** Those that are switched on. */
  readonly directions: readonly Direction[];
  /** Undefined while this process does not carry it out, as a standby. */
  direction(direction: Direction): DirectionState | undefined;
  /** When certificates end that this process has, by what they are for. */
  certificates(): ReadonlyMap<string, Date>;
  /** Of the tokens of this process that end, by what they are for. */
  tokens(): ReadonlyMap<string, Lifetime>;
}

/** Of what ends by itself. */
export interface Lifetime {
  /** Undefined where it is not known. */
  readonly created: Date | undefined;
  readonly end: Date;
}

export interface StateGauges {
  readonly ready: Gauge<'source'>;
  readonly owned: Gauge<'direction'>;
  readonly retained: Gauge<'direction'>;
  readonly kept: Gauge<'direction'>;
  readonly rejected: Gauge<'direction'>;
  readonly held: Gauge<'direction'>;
  readonly overLimit: Gauge<'direction'>;
  readonly failing: Gauge<'direction'>;
  readonly queueDepth: Gauge<'direction'>;
  readonly oldestWaiting: Gauge<'direction'>;
  readonly lastSuccess: Gauge<'direction'>;
  readonly certificateExpiry: Gauge<'certificate'>;
  readonly tokenExpiry: Gauge<'token'>;
  readonly tokenCreated: Gauge<'token'>;
}

/** Of a direction that is switched on, and that this process does not carry out. */
const IDLE: DirectionState = {
  ...{ owned: 0, retained: 0, kept: 0, rejected: 0, held: 0, overLimit: 0, failing: 0, waiting: 0, oldestWaitingMs: 0 },
  lastSuccess: undefined,
};

/**
 * Gauges of what is so now. Nothing is counted for them: each asks when somebody scrapes, and has no series before there is a
 * source. What is not known has no series either: 0 would be a time in 1970.
 * @param source of the process, as soon as it has one
 */
export function createStateGauges(registers: Registry[], source: () => StateSource | undefined): StateGauges {
  const gauge = <Label extends string>(
    name: string,
    help: string,
    label: Label,
    values: (source: StateSource) => Iterable<readonly [value: string, number: number | undefined]>,
  ): Gauge<Label> =>
    new Gauge<Label>({
      ...{ name, help, registers, labelNames: [label] },
      collect() {
        this.reset();
        const known = source();
        for (const [value, number] of known ? values(known) : [])
          if (number !== undefined) this.set({ [label]: value } as Record<Label, string>, number);
      },
    });
  let states: (readonly [Direction, DirectionState])[] | undefined;
  /** The same for all gauges of one scrape, which asks them in one go. */
  const statesNow = (known: StateSource) => {
    if (!states) queueMicrotask(() => (states = undefined));
    return (states ??= known.directions.map((direction) => [direction, known.direction(direction) ?? IDLE] as const));
  };
  const ofDirection = (name: string, help: string, value: (state: DirectionState) => number | undefined) =>
    gauge(name, help, 'direction', (known) => statesNow(known).map(([direction, state]) => [direction, value(state)]));
  const ofTimes = <T>(things: ReadonlyMap<string, T>, timeOf: (thing: T) => Date | undefined) =>
    [...things].map(([what, thing]) => [what, secondsOf(timeOf(thing))] as const);
  return {
    ready: gauge(
      'consular_ready',
      '1 while this source of readiness is well, else 0. /readyz answers 200 while all are 1.',
      'source',
      (known) => known.judgements().map(({ source, failures }) => [source, failures.length === 0 ? 1 : 0]),
    ),
    owned: ofDirection(
      'consular_owned',
      'Consul instances or Kubernetes Services that Consular owns.',
      ({ owned }) => owned,
    ),
    retained: ofDirection(
      'consular_retained',
      'Instances that would go and stay, because much was lost at once.',
      ({ retained }) => retained,
    ),
    kept: ofDirection(
      'consular_kept',
      'What would go and stays, because the setting removals is never.',
      ({ kept }) => kept,
    ),
    rejected: ofDirection(
      'consular_rejected',
      'Objects for which Consular cannot do now what was asked.',
      ({ rejected }) => rejected,
    ),
    held: ofDirection(
      'consular_held',
      'Consul instances that stay unchanged now although they should change.',
      ({ held }) => held,
    ),
    overLimit: ofDirection(
      'consular_over_limit',
      'Consul services that are not mirrored now because toKubernetes.maxServices is reached.',
      ({ overLimit }) => overLimit,
    ),
    failing: ofDirection(
      'consular_failing',
      'Pods and services whose last try failed. Each is tried again.',
      ({ failing }) => failing,
    ),
    queueDepth: ofDirection(
      'consular_queue_depth',
      'Pods and services that wait to be reconciled.',
      ({ waiting }) => waiting,
    ),
    oldestWaiting: ofDirection(
      'consular_oldest_waiting_seconds',
      'Longest time that a pod or service has waited until now: in the queue, for its write, or for its next try; 0 when none waits.',
      ({ oldestWaitingMs }) => oldestWaitingMs / 1000,
    ),
    lastSuccess: ofDirection(
      'consular_last_success_timestamp_seconds',
      'When a pod or service was last written, or found to be right. No series before the first.',
      ({ lastSuccess }) => secondsOf(lastSuccess),
    ),
    certificateExpiry: gauge(
      'consular_certificate_expiry_timestamp_seconds',
      'When the certificate in a TLS file expires; of several CAs in a file, the last of them.',
      'certificate',
      (known) => ofTimes(known.certificates(), (end) => end),
    ),
    tokenExpiry: gauge(
      'consular_token_expiry_timestamp_seconds',
      'When a token expires. No series for a token that does not.',
      'token',
      (known) => ofTimes(known.tokens(), ({ end }) => end),
    ),
    tokenCreated: gauge(
      'consular_token_created_timestamp_seconds',
      'When a token that expires was created.',
      'token',
      (known) => ofTimes(known.tokens(), ({ created }) => created),
    ),
  };
}

function secondsOf(time: Date | undefined): number | undefined {
  return time && time.getTime() / 1000;
}
