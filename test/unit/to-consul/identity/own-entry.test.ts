import { describe, expect, it } from '@jest/globals';
import { Distrust } from '../../../../src/consul/distrust.ts';
import { ConsulError } from '../../../../src/consul/errors.ts';
import type { NodeContents } from '../../../../src/consul/types.ts';
import type { KnownEntry } from '../../../../src/to-consul/identity/own-witness.ts';
import { OwnEntry } from '../../../../src/to-consul/identity/own-entry.ts';
import type { Summary } from '../../../../src/to-consul/identity/summary.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';
import { TestClock } from '../../clock.ts';
import { TestLog } from '../../log.ts';
import { settled } from '../../clock.ts';
import { TestCommitter } from '../transactions.ts';

const text = (output: string): Summary => ({ status: 'passing', output });

/** What the entry tells the witness, and how the witness has the entry restored. */
class TestWitness {
  known: KnownEntry | undefined;
  restore: () => Promise<void> = () => Promise.reject(new Error('nobody restores it'));

  trust(entry: KnownEntry): void {
    this.known = entry;
  }

  restoredBy(restore: () => Promise<void>): void {
    this.restore = restore;
  }
}

/** An entry whose Consul and clock are the test's; what it writes is there at once, unless a test says otherwise. */
class Stage {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly committer = new TestCommitter();
  readonly committed: number[] = [];
  readonly distrust = new Distrust(this.clock);
  readonly witness = new TestWitness();
  nonces = 0;
  summary: Summary | undefined = text('a');
  contents: NodeContents | undefined;
  failure: Error | undefined;
  readonly entry = new OwnEntry({
    nodes: { read: () => (this.failure ? Promise.reject(this.failure) : Promise.resolve(this.contents)) },
    committer: this.committer,
    owner,
    address: '192.0.2.1',
    port: 9990,
    version: '1.0.0',
    tags: [],
    summary: () => this.summary,
    onCommit: (index) => void this.committed.push(index),
    witness: this.witness,
    distrust: this.distrust,
    createNonce: () => `nonce-${++this.nonces}`,
    log: this.log,
    clock: this.clock,
  });

  constructor() {
    this.committer.onSent = (transaction) => transaction.commit();
  }

  static async started(): Promise<Stage> {
    const stage = new Stage();
    await stage.entry.claim();
    stage.committer.sent.length = 0;
    stage.entry.start();
    return stage;
  }

  /** The entry with that meta, as Consul has it. */
  has(meta: Readonly<Record<string, string>>, modifyIndex = 11): void {
    const node = { name: 'k8s-prod', address: '192.0.2.1', meta: strings(nodeMeta(owner)), modifyIndex: 10 };
    const where = { address: '192.0.2.1', port: 9990, taggedAddresses: strings(), tags: [], weight: 1, modifyIndex };
    const service = { id: 'consular-prod', service: 'consular', meta: strings(meta), ...where };
    this.contents = { node, services: [service], checks: [], index: modifyIndex };
  }

  /** The meta of the service in each transaction. */
  get metas(): Readonly<Record<string, string>>[] {
    return this.committer.sent.flatMap(({ operations }) =>
      operations.flatMap((operation) =>
        'Service' in operation && 'Meta' in operation.Service.Service ? [operation.Service.Service.Meta] : [],
      ),
    );
  }

  /** The text of the check in each transaction. */
  get written(): string[] {
    return this.committer.sent.map(({ operations }) =>
      operations.flatMap((operation) => ('Check' in operation ? [operation.Check.Check.Output] : [])).join(),
    );
  }
}

describe('the name of the cluster', () => {
  it('is claimed with the entry, and the index of that is told', async () => {
    const stage = new Stage();
    await stage.entry.claim();
    expect(stage.written).toEqual(['Consular is starting']);
    expect(stage.committed).toEqual([1001]);
  });

  it('is taken when the node has the uid of another cluster: that is an error, and nothing is written', async () => {
    const stage = new Stage();
    const meta = strings(nodeMeta({ ...owner, clusterUid: 'uid-of-another' }));
    const node = { name: 'k8s-prod', address: '192.0.2.9', meta, modifyIndex: 1 };
    stage.contents = { node, services: [], checks: [], index: 1 };
    await expect(stage.entry.claim()).rejects.toThrow(
      /cluster name "prod": Consul node k8s-prod .* uid uid-of-another/,
    );
    expect(stage.committer.sent).toEqual([]);
  });

  it('that cannot be claimed now is no reason not to start', async () => {
    const stage = new Stage();
    stage.failure = new ConsulError('read Consul node k8s-prod', 500, 'no leader');
    await expect(stage.entry.claim()).resolves.toBeUndefined();
    expect(stage.log.of('warn')).toEqual(["Consular's own entry in Consul could not be written"]);
  });
});

describe('the summary', () => {
  it('is written when it has held still for 5 s', async () => {
    const stage = await Stage.started();
    await stage.clock.advance(5000);
    expect(stage.written).toEqual([]);
    await stage.clock.advance(1000);
    expect(stage.written).toEqual(['a']);
  });

  it('is not written while it is being found out', async () => {
    const stage = await Stage.started();
    stage.summary = undefined;
    await stage.clock.advance(120_000);
    expect(stage.written).toEqual([]);
  });

  it('is not written again while it stays the same, nor when it changes and changes back', async () => {
    const stage = await Stage.started();
    await stage.clock.advance(60_000);
    stage.summary = text('b');
    await stage.clock.advance(3000);
    stage.summary = text('a');
    await stage.clock.advance(600_000);
    expect(stage.written).toEqual(['a']);
  });

  it('is written at most every 30 s', async () => {
    const stage = await Stage.started();
    await stage.clock.advance(6000);
    stage.summary = { status: 'warning', output: 'b' };
    await stage.clock.advance(29_000);
    expect(stage.written).toEqual(['a']);
    await stage.clock.advance(1000);
    expect(stage.written).toEqual(['a', 'b']);
  });

  it('that never holds still is written after a minute, and then as it is at that moment', async () => {
    const stage = await Stage.started();
    for (let i = 0; i < 60; i++) {
      stage.summary = text(String(i));
      await stage.clock.advance(1000);
    }
    expect(stage.written).toEqual([]);
    stage.summary = text('60');
    await stage.clock.advance(1000);
    expect(stage.written).toEqual(['60']);
  });

  it('is compared with Consul again when somebody changed the catalog', async () => {
    const stage = await Stage.started();
    await stage.clock.advance(60_000);
    stage.entry.forget();
    await stage.clock.advance(60_000);
    expect(stage.written).toEqual(['a', 'a']);
  });

  it('that could not be written is tried again, and told once for each reason', async () => {
    const stage = await Stage.started();
    stage.failure = new ConsulError('read Consul node k8s-prod', 500, 'no leader');
    await stage.clock.advance(120_000);
    expect(stage.log.of('warn')).toHaveLength(1);
    stage.failure = new ConsulError('read Consul node k8s-prod', 403, 'denied');
    await stage.clock.advance(60_000);
    expect(stage.log.of('warn')).toHaveLength(2);
    stage.failure = undefined;
    await stage.clock.advance(60_000);
    expect(stage.written).toEqual(['a']);
  });

  it('waits for the write before it', async () => {
    const stage = await Stage.started();
    stage.committer.onSent = () => undefined;
    await stage.clock.advance(6000);
    stage.summary = text('b');
    await stage.clock.advance(120_000);
    expect(stage.written).toEqual(['a']);
    stage.committer.sent[0]?.commit();
    await settled();
    await stage.clock.advance(1000);
    expect(stage.written).toEqual(['a', 'b']);
  });

  it('is written no more after the stop', async () => {
    const stage = await Stage.started();
    await stage.clock.advance(1000);
    stage.entry.stop();
    await stage.clock.advance(120_000);
    expect([stage.written, stage.clock.timers]).toEqual([[], 0]);
  });

  it('can be stopped before it was started', () => {
    const stage = new Stage();
    stage.entry.stop();
    expect(stage.clock.timers).toBe(0);
  });
});

describe('the nonce', () => {
  it('of an entry that is there is kept, and is what the witness goes by', async () => {
    const stage = new Stage();
    stage.has({ nonce: 'old' }, 12);
    await stage.entry.claim();
    expect(stage.metas).toMatchObject([{ nonce: 'old' }]);
    expect(stage.witness.known).toEqual({ nonce: 'old', nodeIndex: 10, serviceIndex: 1001 });
    expect(stage.distrust.loss).toBeUndefined();
  });

  it.each<[string, (stage: Stage) => void]>([
    ['where there is no entry yet', () => undefined],
    ['where an earlier version wrote the entry', (stage) => stage.has({ version: '0.9.0' })],
  ])('is new %s, which is no loss', async (_, prepare) => {
    const stage = new Stage();
    prepare(stage);
    await stage.entry.claim();
    expect(stage.metas).toMatchObject([{ nonce: 'nonce-1' }]);
    expect([stage.witness.known?.nonce, stage.distrust.loss]).toEqual(['nonce-1', undefined]);
  });

  it.each<[string, (stage: Stage) => void]>([
    ['the entry is gone', (stage) => (stage.contents = undefined)],
    ['the entry has no nonce any more', (stage) => stage.has({})],
  ])('is new when %s, and that is a loss, which the entry tells', async (_, lose) => {
    const stage = await Stage.started();
    lose(stage);
    await stage.witness.restore();
    expect(stage.metas).toMatchObject([{ nonce: 'nonce-2', 'data-lost-at': stage.distrust.loss?.at.toISOString() }]);
    expect([stage.witness.known?.nonce, stage.distrust.loss?.sign]).toEqual(['nonce-2', 'own-entry-lost']);
  });

  it('that somebody of ours made meanwhile is kept, and is a loss', async () => {
    const stage = await Stage.started();
    stage.has({ nonce: 'theirs' });
    await stage.witness.restore();
    expect([stage.witness.known?.nonce, stage.distrust.loss?.sign]).toEqual(['theirs', 'own-entry-lost']);
  });

  it('stays unknown to the witness while the entry cannot be written', async () => {
    const stage = new Stage();
    stage.committer.onSent = (transaction) => transaction.fail(new ConsulError('commit transaction', 403, 'denied'));
    await stage.entry.claim();
    expect([stage.witness.known, stage.entry.failure]).toEqual([
      undefined,
      'commit transaction: Consul answered 403: denied',
    ]);
  });
});

it('an entry that is older than it was says that time went back', async () => {
  const stage = await Stage.started();
  stage.has({ nonce: 'nonce-1' }, 11);
  await stage.clock.advance(60_000);
  expect(stage.distrust.loss?.sign).toBe('older-entry');
});

it('an entry that is only hidden, so that it cannot be written, is no loss', async () => {
  const stage = await Stage.started();
  stage.contents = undefined;
  stage.committer.onSent = (transaction) => transaction.fail(new ConsulError('commit transaction', 403, 'denied'));
  await expect(stage.witness.restore()).rejects.toThrow('denied');
  expect([stage.distrust.loss, stage.witness.known?.nonce]).toEqual([undefined, 'nonce-1']);
});

describe('an entry that is lost', () => {
  it('is written once, however many ask for it at a time', async () => {
    const stage = await Stage.started();
    stage.contents = undefined;
    await Promise.all([stage.witness.restore(), stage.witness.restore()]);
    expect(stage.metas).toHaveLength(1);
  });

  it('that cannot be written is tried again with a backoff, until it is there', async () => {
    const stage = await Stage.started();
    stage.summary = undefined;
    stage.failure = new ConsulError('read Consul node k8s-prod', 500, 'no leader');
    await expect(stage.witness.restore()).rejects.toThrow('no leader');
    await stage.clock.advance(60_000);
    expect(stage.log.of('warn')).toHaveLength(1);
    stage.failure = undefined;
    await stage.clock.advance(6000);
    expect([stage.metas.length, stage.entry.failure]).toEqual([1, undefined]);
    await stage.clock.advance(60_000);
    expect(stage.metas).toHaveLength(1);
  });

  it('is written with its text afterwards, although that was written before', async () => {
    const stage = await Stage.started();
    await stage.clock.advance(60_000);
    await stage.witness.restore();
    await stage.clock.advance(60_000);
    expect(stage.written).toEqual(['a', 'Consular is starting', 'a']);
  });
});

it('a loss that somebody else noticed is written at once', async () => {
  const stage = await Stage.started();
  stage.has({ nonce: 'nonce-1' });
  stage.summary = undefined;
  stage.distrust.begin('early-answer');
  await stage.clock.advance(1000);
  expect(stage.metas).toMatchObject([{ nonce: 'nonce-1', 'data-lost-at': stage.distrust.loss?.at.toISOString() }]);
  await stage.clock.advance(60_000);
  expect(stage.metas).toHaveLength(1);
});
