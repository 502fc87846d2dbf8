import { rightId } from '../../../../src/consul/rights.ts';
import { compare } from '../../../../src/reconcile/changes.ts';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import {
  identityOf,
  sameCheck,
  sameService,
  type Registration,
} from '../../../../src/to-consul/registration/registration.ts';
import type { PodChanges } from '../../../../src/to-consul/write/operations.ts';
import { Writer } from '../../../../src/to-consul/write/writer.ts';
import { owner } from '../../builders.ts';
import { TestClock } from '../../clock.ts';
import { TestLog } from '../../log.ts';
import { settled } from '../../clock.ts';
import { registrationOf } from '../instances.ts';
import { TestCommitter, type SentTransaction } from '../transactions.ts';
import { NODE_1, NODE_2, Picture } from './picture.ts';

/** A writer whose Consul, clock and wishes are the test's. */
export class WriterStage {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly committer = new TestCommitter();
  readonly own: Picture;
  /** What each pod should be; a pod that is not here should have nothing. */
  readonly desired = new Map<string, Registration | readonly Registration[]>();
  /** What became of each key that was submitted. */
  readonly outcomes = new Map<string, 'written' | Error>();
  readonly drifted: string[] = [];
  /** What Consul took, by key. */
  readonly committed: [key: string, changes: PodChanges][] = [];
  /** Rights that were denied: nothing is planned that needs them. */
  readonly denied = new Set<string>();
  readonly writer: Writer;

  /** Whether the brake lets anything through. */
  isBraked = false;

  constructor(own = new Picture([NODE_1, NODE_2]), limit = 128) {
    this.own = own;
    this.writer = new Writer({
      committer: this.committer,
      owner,
      own,
      plan: (key) => this.#plan(key),
      onCommitted: (key, changes) => this.committed.push([key, changes]),
      onDrift: (keys) => this.drifted.push(...keys),
      limit,
      denied: { deny: (right) => this.denied.add(rightId(right)) },
      brake: { tryTake: () => !this.isBraked },
      log: this.log,
      clock: this.clock,
    });
  }

  get sent(): readonly SentTransaction[] {
    return this.committer.sent;
  }

  /** The pods of each transaction, from that one on. */
  podsFrom(first: number): string[] {
    return this.sent.slice(first).map(({ pods }) => pods.map((key) => key.replace('shop/', '')).join(' '));
  }

  /** Wants pods to be as given, and has their keys written; returns when all has happened that needs no time. */
  async write(names: readonly string[], overrides: Partial<Registration> = {}): Promise<void> {
    for (const name of names) {
      this.desired.set(`shop/${name}`, registrationOf(name, overrides));
      this.submit(name);
    }
    await settled();
  }

  submit(name: string): void {
    this.outcomes.delete(name);
    this.writer.submit(`shop/${name}`).then(
      () => this.outcomes.set(name, 'written'),
      (error: unknown) => this.outcomes.set(name, error as Error),
    );
  }

  /** Everything gets through from now on, at once. */
  async commitAll(): Promise<void> {
    this.committer.onSent = (transaction) => transaction.commit();
    for (const transaction of this.sent) transaction.commit();
    await settled();
  }

  /** From now on it is the test's to say when the next unknown outcome is settled, in turn. */
  holdSettled(): { next(): void } {
    const held: (() => void)[] = [];
    this.committer.settled = () => new Promise((resolve) => held.push(resolve));
    return { next: () => held.shift()?.() };
  }

  #plan(key: string): PodChanges {
    const wanted = [this.desired.get(key) ?? []].flat().filter(({ service }) => !this.denied.has(`service ${service}`));
    const desired = new Map(wanted.map((registration) => [identityOf(registration), registration]));
    return compare(desired, this.own.ofPod(key), isSame);
  }
}

function isSame(desired: Registration, { registration }: OwnInstance): boolean {
  return sameService(desired, registration) && sameCheck(desired.check, registration.check);
}

/** Names that are as many as a transaction of 128 operations takes, and more. */
export function many(count: number, start = 'pod'): string[] {
  return Array.from({ length: count }, (_, i) => `${start}-${i}`);
}
