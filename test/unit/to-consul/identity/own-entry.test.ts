import { describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../../src/consul/errors.ts';
import type { NodeContents } from '../../../../src/consul/types.ts';
import { OwnEntry } from '../../../../src/to-consul/identity/own-entry.ts';
import type { Summary } from '../../../../src/to-consul/identity/summary.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';
import { TestClock } from '../../clock.ts';
import { TestLog } from '../../log.ts';
import { settled } from '../../clock.ts';
import { TestCommitter } from '../transactions.ts';

const text = (output: string): Summary => ({ status: 'passing', output });

/** An entry whose Consul and clock are the test's; what it writes is there at once, unless a test says otherwise. */
class Stage {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly committer = new TestCommitter();
  readonly committed: number[] = [];
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
    summary: () => this.summary,
    onCommit: (index) => void this.committed.push(index),
    lostAt: () => undefined,
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
