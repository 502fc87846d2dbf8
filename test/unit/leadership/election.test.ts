import { afterEach, describe, expect, it } from '@jest/globals';
import { ANNOTATION, LABEL } from '../../../src/mark.ts';
import { Election, type ElectionOptions } from '../../../src/leadership/election.ts';
import type { Standing } from '../../../src/leadership/standing.ts';
import { settled, TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';
import { MemoryLease, refusal } from './memory-lease.ts';

const running: Election[] = [];
afterEach(() => {
  for (const election of running.splice(0)) election.stop();
});

interface Candidate {
  readonly election: Election;
  readonly told: Standing['kind'][];
  readonly requests: string[];
  readonly log: TestLog;
  readonly annotations: Record<string, string>;
  /** Nothing it asks is answered. */
  isCutOff: boolean;
  /** It could do nothing as the leader. */
  isBlind: boolean;
  /** Whatever it asks is refused. */
  refuses: Error | undefined;
}

/** A process that runs for the Lease; processes can have clocks of their own. */
function candidate(
  lease: MemoryLease,
  clock: TestClock,
  identity: string,
  more: Partial<ElectionOptions> = {},
): Candidate {
  const log = new TestLog();
  const state = { isCutOff: false, isBlind: false, refuses: undefined as Error | undefined };
  const told: Standing['kind'][] = [];
  const requests: string[] = [];
  const annotations: Record<string, string> = {};
  const election = new Election({
    ...{ cluster: 'prod', lease: { namespace: 'ns', name: 'consular-prod' }, identity, log, clock },
    api: lease.api(() => (state.isCutOff ? 'no answer' : state.refuses)),
    annotations: () => annotations,
    mayAcquire: () => !state.isBlind,
    onStanding: ({ kind }) => told.push(kind),
    mayTakeRequest: () => true,
    onReleaseRequest: (text) => requests.push(text),
    random: () => 0.5,
    ...more,
  });
  running.push(election);
  election.start();
  return Object.assign(state, { election, told, requests, log, annotations });
}

async function leaderAnd(lease: MemoryLease, clock: TestClock) {
  const leader = candidate(lease, clock, 'first');
  await clock.advance(1);
  const standby = candidate(lease, clock, 'second');
  await clock.advance(1);
  return { leader, standby };
}

describe('what is on the Lease', () => {
  it('is told to the leader and to the standby, and of writes it stays on a Lease that has to be made anew', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const seen: Record<string, (string | undefined)[]> = { first: [], second: [] };
    const onSeen = (who: string) => ({
      onSeen: (annotations?: ReadonlyMap<string, string>) => void seen[who]?.push(annotations?.get(ANNOTATION.writes)),
    });
    const first = candidate(lease, clock, 'first', onSeen('first'));
    await clock.advance(1);
    const second = candidate(lease, clock, 'second', onSeen('second'));
    await clock.advance(1);
    lease.edit({ annotations: new Map([[ANNOTATION.writes, 'off']]) });
    await clock.advance(5000);
    expect([seen.first?.at(-1), seen.second?.at(-1)]).toEqual(['off', 'off']);
    first.isCutOff = true;
    lease.delete();
    await clock.advance(60_000);
    expect(second.told).toEqual(['standby', 'leading']);
    expect(lease.now?.annotations.get(ANNOTATION.writes)).toBe('off');
    lease.edit({ annotations: new Map() });
    await clock.advance(5000);
    expect(seen.second?.at(-1)).toBeUndefined();
    expect(lease.now?.annotations.has(ANNOTATION.writes)).toBe(false);
  });
});

describe('of two processes', () => {
  it('the first leads, and the other stands by and knows who leads', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader, standby } = await leaderAnd(lease, clock);
    await clock.advance(60_000);
    expect([leader.told, standby.told]).toEqual([['leading'], ['standby']]);
    expect([leader.election.isLeading(), standby.election.isLeading()]).toEqual([true, false]);
    expect(standby.election.standing).toMatchObject({ kind: 'standby', leader: 'first' });
    expect(lease.now).toMatchObject({ holderIdentity: 'first', leaseTransitions: 0, leaseDurationSeconds: 15 });
    expect([leader.log.of('info'), standby.log.of('info')]).toEqual([['became the leader'], ['standing by']]);
  });

  it('the other leads at once when the first releases the Lease, with one transition more', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader, standby } = await leaderAnd(lease, clock);
    await clock.advance(5000);
    expect(await leader.election.release()).toBe(true);
    await settled();
    expect([leader.election.isLeading(), standby.election.isLeading()]).toEqual([false, true]);
    expect(lease.now).toMatchObject({ holderIdentity: 'second', leaseTransitions: 1 });
    expect(leader.log.of('info')).toContain('released the Lease');
  });

  it('the other leads when the first has shown no sign of life for 15 s, and the first has stopped before', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader, standby } = await leaderAnd(lease, clock);
    await clock.advance(5000);
    leader.isCutOff = true;
    await clock.advance(10_000);
    expect([leader.election.isLeading(), standby.election.isLeading()]).toEqual([false, false]);
    expect(leader.told).toEqual(['leading', 'suspended']);
    await clock.advance(5000);
    expect([leader.election.isLeading(), standby.election.isLeading()]).toEqual([false, true]);
    leader.isCutOff = false;
    await clock.advance(5000);
    expect(leader.told).toEqual(['leading', 'suspended', 'lost']);
    expect(leader.election.standing).toEqual({ kind: 'lost', why: 'second holds it' });
    expect(lease.now?.holderIdentity).toBe('second');
  });

  it('one leads when the Lease is deleted while the leader is cut off: the other waits until that has ended', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader, standby } = await leaderAnd(lease, clock);
    await clock.advance(5000);
    leader.isCutOff = true;
    lease.delete();
    for (let step = 0; step < 200; step++) {
      await clock.advance(100);
      expect(leader.election.isLeading() && standby.election.isLeading()).toBe(false);
    }
    expect([leader.election.isLeading(), standby.election.isLeading()]).toEqual([false, true]);
    leader.isCutOff = false;
    await clock.advance(5000);
    expect(leader.told).toEqual(['leading', 'suspended', 'lost']);
  });

  it('never more than one leads, whoever is cut off when', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader, standby } = await leaderAnd(lease, clock);
    for (let second = 0; second < 90; second++) {
      leader.isCutOff = second % 23 > 3;
      standby.isCutOff = second % 31 > 20;
      for (let step = 0; step < 10; step++) {
        await clock.advance(100);
        expect(leader.election.isLeading() && standby.election.isLeading()).toBe(false);
      }
    }
    expect(leader.told).toContain('suspended');
  });

  it('the other sees a release without its watch too, a look later', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const leader = candidate(lease, clock, 'first');
    await clock.advance(1);
    const api = { ...lease.api(), watch: () => new Promise<void>(() => undefined) };
    const standby = candidate(lease, clock, 'second', { api });
    await clock.advance(3000);
    await leader.election.release();
    await clock.advance(2 * 2200);
    expect(standby.election.isLeading()).toBe(true);
  });
});

describe('a process that could do nothing as the leader', () => {
  it('does not make the Lease, and takes none that is free or over, before it can', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const blind = candidate(lease, clock, 'blind', { mayAcquire: () => false });
    await clock.advance(30_000);
    expect([lease.now, blind.election.standing.kind]).toEqual([undefined, 'standby']);
    lease.edit({ holderIdentity: '' });
    await clock.advance(30_000);
    expect(lease.now?.holderIdentity).toBe('');
    const { leader, standby } = await leaderAnd(lease, clock);
    standby.isBlind = true;
    leader.election.stop();
    await clock.advance(60_000);
    expect([lease.now?.holderIdentity, standby.told]).toEqual(['first', ['standby']]);
    standby.isBlind = false;
    await clock.advance(5000);
    expect(standby.election.isLeading()).toBe(true);
  });

  it('leaves the Lease to another who can', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader, standby } = await leaderAnd(lease, clock);
    standby.isBlind = true;
    const able = candidate(lease, clock, 'third');
    await clock.advance(5000);
    expect(await leader.election.release()).toBe(true);
    await clock.advance(5000);
    expect([standby.election.isLeading(), able.election.isLeading()]).toEqual([false, true]);
  });

  it('keeps the Lease where it leads already, also when somebody deletes it', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader } = await leaderAnd(lease, clock);
    leader.isBlind = true;
    await clock.advance(20_000);
    lease.delete();
    await clock.advance(20_000);
    expect(leader.told).toEqual(['leading']);
  });
});

describe('a leader', () => {
  async function leading(more: Partial<ElectionOptions> = {}) {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const leader = candidate(lease, clock, 'first', more);
    await clock.advance(1);
    expect(leader.election.isLeading()).toBe(true);
    return { lease, clock, leader };
  }

  it('does not lead when it wakes after a pause of a minute, before anything else happens', async () => {
    const { clock, leader } = await leading();
    expect(leader.election.isLeading(clock.now() + 60_000)).toBe(false);
  });

  it('leads on after a pause, once the Lease is renewed, when nobody took it', async () => {
    const { lease, clock, leader } = await leading();
    leader.isCutOff = true;
    await clock.advance(60_000);
    expect(leader.election.standing).toMatchObject({ kind: 'suspended', term: { transitions: 0 } });
    leader.isCutOff = false;
    await clock.advance(10_000);
    expect(leader.told).toEqual(['leading', 'suspended', 'leading']);
    expect(leader.log.of('info')).toEqual(['became the leader', 'renewed the Lease, leading again']);
    expect(lease.now?.leaseTransitions).toBe(0);
  });

  it('counts from when it asked, not from when the answer came', async () => {
    const { clock, leader } = await leading();
    await clock.advance(2000);
    const { term } = leader.election.standing as Extract<Standing, { kind: 'leading' }>;
    expect(term.renewedMs).toBe(2000);
    expect(leader.election.isLeading(2000 + 9999)).toBe(true);
    expect(leader.election.isLeading(2000 + 10_000)).toBe(false);
  });

  it('stays one when another edits the Lease between its look and its write', async () => {
    const { lease, clock, leader } = await leading();
    lease.beforeWrite = () => lease.edit({ annotations: new Map([['example.com/note', 'hello']]) });
    await clock.advance(4000);
    expect(leader.told).toEqual(['leading']);
    expect(lease.now?.annotations.get('example.com/note')).toBe('hello');
  });

  it('makes the Lease anew when somebody deletes it', async () => {
    const { lease, clock, leader } = await leading();
    const uid = lease.now?.uid;
    lease.delete();
    await settled();
    expect(lease.now?.holderIdentity).toBe('first');
    expect(lease.now?.uid).not.toBe(uid);
    await clock.advance(20_000);
    expect(leader.told).toEqual(['leading']);
  });

  it.each<[string, (lease: MemoryLease) => void, string]>([
    ['another is written into the Lease', (lease) => lease.edit({ holderIdentity: 'x' }), 'x holds it'],
    ['somebody else releases it', (lease) => lease.edit({ holderIdentity: '' }), 'it was released by somebody else'],
    [
      'its transitions have moved',
      (lease) => lease.edit({ leaseTransitions: 7 }),
      'expected its transition 0, found 7',
    ],
  ])('is none any more, for ever, when %s', async (_, change, why) => {
    const { lease, clock, leader } = await leading();
    change(lease);
    await settled();
    expect(leader.election.standing).toEqual({ kind: 'lost', why });
    expect(leader.election.isLeading()).toBe(false);
    lease.delete();
    await clock.advance(60_000);
    expect(leader.told).toEqual(['leading', 'lost']);
    expect(lease.now).toBeUndefined();
    expect(await leader.election.release()).toBe(false);
  });

  it('leads no more from the call of release, whatever becomes of it', async () => {
    const { clock, leader } = await leading();
    leader.isCutOff = true;
    const released = leader.election.release();
    expect(leader.election.isLeading()).toBe(false);
    await clock.advance(500);
    expect(await released).toBe(false);
    expect(leader.log.of('warn')).toEqual(['could not release the Lease, others wait until it is over']);
  });

  it('does not release what another has by now', async () => {
    const { lease, leader } = await leading();
    lease.beforeWrite = () => lease.edit({ holderIdentity: 'x', leaseTransitions: 1 });
    expect(await leader.election.release()).toBe(false);
    expect(lease.now?.holderIdentity).toBe('x');
  });

  it('releases the Lease although somebody edits it meanwhile', async () => {
    const { lease, leader } = await leading();
    lease.beforeWrite = () => lease.edit({ labels: new Map([['a', 'b']]) });
    expect(await leader.election.release()).toBe(true);
    expect(lease.now).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 0 });
    expect(lease.now?.labels.get('a')).toBe('b');
  });

  it('writes what is to be on the Lease with its next renewal', async () => {
    const { lease, clock, leader } = await leading();
    leader.annotations[ANNOTATION.epoch] = '7';
    await clock.advance(2000);
    expect(lease.now?.annotations.get(ANNOTATION.epoch)).toBe('7');
  });

  it('that is told to end during its very first write of the Lease gives away what it got by that', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const api = lease.api();
    const written = new Promise<void>((resolve) => {
      const create = api.create.bind(api);
      api.create = async (content, signal) => {
        await create(content, signal);
        resolve();
        // The answer does not come any more.
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
      };
    });
    const first = candidate(lease, clock, 'first', { api });
    await written;
    expect(lease.now?.holderIdentity).toBe('first');
    expect(await first.election.release()).toBe(true);
    expect(lease.now?.holderIdentity).toBe('');
  });

  it('that ends, and whose first write was too late, leaves the Lease to whoever was faster', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const api = lease.api();
    const refused = new Promise<void>((resolve) => {
      api.create = (_, signal) => {
        lease.edit({ holderIdentity: 'x' });
        resolve();
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
      };
    });
    const first = candidate(lease, clock, 'first', { api });
    await refused;
    expect(await first.election.release()).toBe(false);
    expect([lease.now?.holderIdentity, first.log.of('warn')]).toEqual(['x', []]);
  });

  it('confirms only what the API server says now', async () => {
    const { lease, clock, leader } = await leading();
    expect(await leader.election.confirm()).toBe(true);
    leader.isCutOff = true;
    const unanswered = expect(leader.election.confirm()).rejects.toThrow();
    await clock.advance(5000);
    await unanswered;
    leader.isCutOff = false;
    await clock.advance(5000);
    lease.edit({ holderIdentity: 'x', leaseTransitions: 1 });
    expect(await leader.election.confirm()).toBe(false);
    expect(leader.told.at(-1)).toBe('lost');
  });
});

describe('a request on the Lease', () => {
  const ask = (lease: MemoryLease, text: string) =>
    lease.edit({ annotations: new Map([...(lease.now?.annotations ?? []), [ANNOTATION.release, text]]) });

  it('is told to the leader once, and taken away', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader, standby } = await leaderAnd(lease, clock);
    ask(lease, 'abc');
    await settled();
    expect([leader.requests, standby.requests]).toEqual([['abc'], []]);
    expect(lease.now?.annotations.has(ANNOTATION.release)).toBe(false);
    await clock.advance(10_000);
    ask(lease, 'abc');
    await clock.advance(10_000);
    expect(leader.requests).toEqual(['abc', 'abc']);
  });

  it('is not lost when it comes between look and write, nor told twice when the write fails', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const { leader } = await leaderAnd(lease, clock);
    ask(lease, 'abc');
    lease.beforeWrite = () => ask(lease, 'def');
    await clock.advance(4000);
    expect(leader.requests).toEqual(['abc', 'def']);
    let failures = 0;
    lease.fault = (verb) => (verb === 'update' && failures++ < 2 ? refusal('update', 500, '') : undefined);
    ask(lease, 'ghi');
    await clock.advance(10_000);
    expect(failures).toBeGreaterThan(2);
    expect(leader.requests).toEqual(['abc', 'def', 'ghi']);
    expect(lease.now?.annotations.has(ANNOTATION.release)).toBe(false);
  });

  it('stays on the Lease until it can be carried out, and is looked at no more often for that', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    lease.edit({ annotations: new Map([[ANNOTATION.release, 'abc']]) });
    let mayTake = false;
    const leader = candidate(lease, clock, 'first', { mayTakeRequest: () => mayTake });
    await clock.advance(20_000);
    expect(leader.requests).toEqual([]);
    expect(lease.now?.annotations.get(ANNOTATION.release)).toBe('abc');
    expect(lease.asked.filter((verb) => verb === 'update').length).toBeLessThan(15);
    mayTake = true;
    await clock.advance(2500);
    expect(leader.requests).toEqual(['abc']);
    expect(lease.now?.annotations.has(ANNOTATION.release)).toBe(false);
  });

  it('takes what became of an earlier one from the Lease, in the same write, unless it says that anew', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    lease.edit({ annotations: new Map([[ANNOTATION.released, 'of an earlier leader']]) });
    const { leader } = await leaderAnd(lease, clock);
    expect(lease.now?.annotations.get(ANNOTATION.released)).toBe('of an earlier leader');
    ask(lease, 'abc');
    await settled();
    expect(leader.requests).toEqual(['abc']);
    expect(lease.now?.annotations.has(ANNOTATION.released)).toBe(false);
    leader.annotations[ANNOTATION.released] = 'of this one';
    ask(lease, 'def');
    await settled();
    expect(lease.now?.annotations.get(ANNOTATION.released)).toBe('of this one');
  });

  it('that was made before there was a leader is told as soon as there is one', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    ask(lease, 'abc');
    const leader = candidate(lease, clock, 'first');
    await settled();
    expect(leader.requests).toEqual(['abc']);
    expect(lease.now?.annotations.has(ANNOTATION.release)).toBe(false);
  });
});

describe('a process that cannot have the Lease', () => {
  it.each(['get', 'create', 'watch'] as const)('says that it lacks the right to %s', async (verb) => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    lease.fault = (asked) => (asked === verb ? refusal(verb, 403, 'Forbidden') : undefined);
    const { election } = candidate(lease, clock, 'first');
    await settled();
    const which = verb === 'create' ? '' : ' consular-prod';
    expect(election.failure).toContain(
      `expected the right to ${verb} leases.coordination.k8s.io${which} in namespace ns, found none`,
    );
    lease.fault = undefined;
    await clock.advance(20_000);
    expect(election.failure).toBeUndefined();
    expect(election.isLeading()).toBe(true);
  });

  it('asks less often while it has no right, at most every 10 s', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    lease.fault = () => refusal('get', 403, 'Forbidden');
    candidate(lease, clock, 'first');
    await clock.advance(120_000);
    const looks = lease.asked.filter((verb) => verb === 'get').length;
    expect(looks).toBeGreaterThan(10);
    expect(looks).toBeLessThan(17);
  });

  it('leaves the Lease of another installation alone, and says how to mend that', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    lease.edit({ labels: new Map([[LABEL.cluster, 'other']]) });
    const { election } = candidate(lease, clock, 'first');
    await clock.advance(60_000);
    expect(election.failure).toContain('expected the Lease of the cluster prod, found that of other');
    expect(lease.now?.holderIdentity).toBe('');
  });

  it('gives a request up that is not answered, and tries again', async () => {
    const [lease, clock] = [new MemoryLease(), new TestClock()];
    const late = candidate(lease, clock, 'first', {});
    late.isCutOff = true;
    await clock.advance(30_000);
    expect(late.election.failure).toBeDefined();
    late.isCutOff = false;
    await clock.advance(10_000);
    expect(late.election.isLeading()).toBe(true);
  });
});
