import { describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../../src/consul/errors.ts';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import type { Registration } from '../../../../src/to-consul/registration/registration.ts';
import { settled } from '../../clock.ts';
import { registrationOf } from '../instances.ts';
import { shown } from '../transactions.ts';
import { instanceOf, NODE_1, NODE_2, Picture } from './picture.ts';
import { WriterStage } from './stage.ts';

const LONGEST_BACKOFF = 15_000;
const OLD = '10.1.0.7';
const NEW = '10.1.0.8';
const NEW_NODE = { name: 'k8s-prod--new', address: '192.168.1.20' };

/** What a pod has on so many ports, on each a service of its own. */
function onPorts(count: number, overrides: Partial<Registration> = {}, name = 'es'): Registration[] {
  return Array.from({ length: count }, (_, i) =>
    registrationOf('es-0', {
      ...{ id: `prod.shop.es-0:${name}-${i}:${9000 + i}`, service: `${name}-${i}`, port: 9000 + i, node: NODE_1 },
      ...overrides,
    }),
  );
}
function instances(registrations: readonly Registration[]): OwnInstance[] {
  return registrations.map((registration) => ({ ...instanceOf('es-0'), registration }));
}

function stageOf(before: readonly Registration[], after: readonly Registration[]): WriterStage {
  const stage = new WriterStage(new Picture([NODE_1, NODE_2], instances(before)));
  stage.desired.set('shop/es-0', after);
  return stage;
}

/** How many operations of each kind each transaction had, in their order. */
const kindsOf = (stage: WriterStage) =>
  stage.sent.map(({ operations }) => {
    const kinds = shown(operations).map((text) => text.split(' ').slice(0, 2).join(' '));
    return [...new Set(kinds)].map((kind) => `${kinds.filter((other) => other === kind).length} ${kind}`);
  });

describe('what a pod wants written, when that is more than a transaction', () => {
  it('is written in parts after the dead addresses are gone, with room for one more operation in each', async () => {
    const before = onPorts(50, { address: OLD });
    const after = onPorts(50, { address: NEW, node: NEW_NODE });
    const stage = stageOf(before, after);
    stage.submit('es-0');
    await stage.commitAll();
    expect(kindsOf(stage)).toEqual([
      ['50 delete-cas service', '1 cas node', '38 cas service', '38 cas check'],
      ['12 cas service', '12 cas check'],
    ]);
    expect(stage.outcomes.get('es-0')).toBe('written');
    expect([...stage.own.instances.values()].map(({ registration }) => registration)).toEqual(after);
  });

  it('stays whole when it fits', async () => {
    const stage = stageOf(onPorts(42, {}, 'old'), onPorts(42, {}, 'new'));
    stage.submit('es-0');
    await stage.commitAll();
    expect(stage.sent.map(({ operations }) => operations.length)).toEqual([126]);
  });

  it('never has an instance removed in another transaction than what replaces it', async () => {
    const stage = stageOf(onPorts(60, {}, 'old'), onPorts(60, {}, 'new'));
    stage.submit('es-0');
    await stage.commitAll();
    const ofPorts = stage.sent.map(({ operations }) => {
      const names = operations.flatMap((one) => ('Service' in one ? [one.Service.Service.Service] : []));
      return ['old', 'new'].map((kind) => names.filter((name) => name.startsWith(kind)).map((name) => name.slice(4)));
    });
    expect(ofPorts.map(([removed]) => removed?.length)).toEqual([42, 18]);
    for (const [removed, created] of ofPorts) expect(removed?.sort()).toEqual(created?.sort());
  });

  it('lets the keys that wait go between its parts', async () => {
    const stage = stageOf([], onPorts(200));
    stage.desired.set('shop/late', registrationOf('late', { node: NODE_2 }));
    stage.submit('es-0');
    stage.submit('late');
    await settled();
    expect(stage.podsFrom(0)).toEqual(['es-0', 'late']);
    await stage.commitAll();
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.own.ofPod('shop/es-0').size).toBe(200);
    expect(stage.outcomes.get('es-0')).toBe('written');
  });

  it('is planned anew for each part: what is not wanted any more is not written', async () => {
    const stage = stageOf([], onPorts(100));
    stage.submit('es-0');
    await settled();
    stage.desired.delete('shop/es-0');
    await stage.commitAll();
    expect(stage.own.instances.size).toBe(0);
    expect(kindsOf(stage)).toEqual([['63 cas service', '63 cas check'], ['63 delete-cas service']]);
  });

  it('is taken up where it was left after an outcome that nobody knows', async () => {
    const after = onPorts(100, { address: NEW });
    const stage = stageOf([], after);
    stage.submit('es-0');
    await settled();
    stage.own.onRead = () => {
      for (const instance of instances(after.slice(0, 63))) stage.own.written(instance);
      return Promise.resolve([]);
    };
    stage.sent[0]?.fail(new ConsulError('commit transaction', 0, ''));
    await settled();
    await stage.clock.advance(LONGEST_BACKOFF);
    await stage.commitAll();
    expect(kindsOf(stage).slice(1)).toEqual([['37 cas service', '37 cas check']]);
    expect(stage.outcomes.get('es-0')).toBe('written');
  });

  it('of whose removal nobody knows, and that is wanted again, is written to as it is found', async () => {
    const before = onPorts(100);
    const stage = stageOf(before, []);
    stage.submit('es-0');
    await settled();
    expect(kindsOf(stage)).toEqual([['100 delete-cas service']]);
    stage.desired.set('shop/es-0', before);
    stage.sent[0]?.fail(new ConsulError('commit transaction', 0, ''));
    await settled();
    await stage.clock.advance(LONGEST_BACKOFF);
    await stage.commitAll();
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(kindsOf(stage).slice(1)).toEqual([]);
    expect(stage.outcomes.get('es-0')).toBe('written');
  });

  it('goes in halves after a 413, though it is alone', async () => {
    const stage = stageOf([], onPorts(60));
    stage.submit('es-0');
    await settled();
    stage.sent[0]?.fail(new ConsulError('commit transaction', 413, 'Request body too large'));
    await settled();
    await stage.clock.advance(LONGEST_BACKOFF);
    await stage.commitAll();
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.outcomes.get('es-0')).toBe('written');
    expect(stage.sent.length).toBeGreaterThan(2);
  });

  it('fails when not even the smallest part is taken', async () => {
    const stage = stageOf([], onPorts(60));
    stage.committer.onSent = ({ fail }) => fail(new ConsulError('commit transaction', 413, 'Request body too large'));
    stage.submit('es-0');
    for (let turn = 0; turn < 8; turn++) await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.outcomes.get('es-0')).toMatchObject({ status: 413 });
  });

  it('writes the rest of a pod of which one instance is more than can be sent at all', async () => {
    const meta = new Map([['large', 'x'.repeat(500_000)]]);
    const [large] = onPorts(1, { meta }, 'large');
    const stage = stageOf([], large ? [large, ...onPorts(70)] : []);
    stage.submit('es-0');
    await stage.commitAll();
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.own.ofPod('shop/es-0').size).toBe(70);
    expect(String(stage.outcomes.get('es-0'))).toMatch(/2 operations of \d+ bytes do not fit in one transaction/);
  });
});

it('an instance that a proxy refuses for its size costs the others of its pod nothing', async () => {
  const tags = ['x'.repeat(100 * 1024)];
  const after = onPorts(60).map((registration, i) => (i === 10 ? { ...registration, tags } : registration));
  const stage = stageOf(onPorts(20, {}, 'old'), after);
  stage.committer.onSent = (sent) =>
    JSON.stringify(sent.operations).length > 64 * 1024
      ? sent.fail(new ConsulError('commit transaction', 413, 'Request body too large'))
      : sent.commit();
  // Each look at the pod is another try.
  for (let look = 0; look < 12; look++) {
    stage.submit('es-0');
    for (let i = 0; i < 6; i++) await stage.clock.advance(LONGEST_BACKOFF);
  }
  const names = [...stage.own.ofPod('shop/es-0').values()].map(({ registration: { service } }) => service);
  // What it is to replace stays with it.
  expect([names.length, names.filter((name) => name.startsWith('old'))]).toEqual([60, ['old-10']]);
  expect(String(stage.outcomes.get('es-0'))).toContain('do not fit');
});
