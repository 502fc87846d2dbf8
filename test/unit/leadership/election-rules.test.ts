import { describe, expect, it } from '@jest/globals';
import {
  ELECTION_TIMES as TIMES,
  isInTime,
  liveHolder,
  nextStep,
  see,
  type SeenLease,
  type Sighting,
  type Term,
} from '../../../src/leadership/election-rules.ts';

const NOW = 1_000_000;
const OURS = 'us';

const lease = (more: Partial<SeenLease> = {}): SeenLease => ({
  uid: 'lease-1',
  holderIdentity: 'them',
  leaseDurationSeconds: 15,
  acquireTime: '2026-10-20T10:00:00.000000Z',
  renewTime: '2026-10-20T10:00:00.000000Z',
  leaseTransitions: 3,
  ...more,
});
const seen = (agoMs: number, more?: Partial<SeenLease>): Sighting => ({ lease: lease(more), sinceMs: NOW - agoMs });
const NONE: Sighting = { lease: undefined, sinceMs: NOW };
const term = (renewedAgoMs: number, more: Partial<Term> = {}): Term => ({
  ...{ uid: 'lease-1', transitions: 3, renewedMs: NOW - renewedAgoMs },
  ...more,
});

describe('what is to be done about a Lease that was not ours yet', () => {
  const step = (sighting: Sighting) => nextStep(sighting, undefined, OURS, NOW, TIMES);

  it('is to create it where there is none', () => {
    expect(step(NONE)).toEqual({ kind: 'create', transitions: 0 });
  });

  it('is to wait as long as ever where it is gone, and another was seen who held it: that one may not know', () => {
    const gone = see(seen(4000), undefined, NOW);
    expect(step(gone)).toEqual({ kind: 'wait', untilMs: NOW + 11_000 });
    // Each look finds the same.
    expect(step(see(gone, undefined, NOW + 1000))).toEqual({ kind: 'wait', untilMs: NOW + 11_000 });
    expect(liveHolder(gone, NOW, TIMES)).toBe('them');
    expect(liveHolder(gone, NOW + 11_000, TIMES)).toBeUndefined();
    expect(nextStep(gone, undefined, OURS, NOW + 11_000, TIMES)).toEqual({ kind: 'create', transitions: 0 });
  });

  it.each<[string, Sighting]>([
    ['nobody held it any more', seen(4000, { holderIdentity: '' })],
    ['its holder had shown no sign of life', seen(15_000)],
    ['it named us', seen(4000, { holderIdentity: OURS })],
  ])('is to create it at once where it is gone, and %s', (_, before) => {
    expect(step(see(before, undefined, NOW))).toEqual({ kind: 'create', transitions: 0 });
  });

  it('is to take one that was released at once, with one transition more', () => {
    expect(step(seen(0, { holderIdentity: '', leaseDurationSeconds: 1 }))).toEqual({ kind: 'acquire', transitions: 4 });
  });

  it('is to wait from the last sign of life of its holder for as long as the Lease promises', () => {
    expect(step(seen(4000))).toEqual({ kind: 'wait', untilMs: NOW + 11_000 });
    expect(step(seen(4000, { leaseDurationSeconds: 60 }))).toEqual({ kind: 'wait', untilMs: NOW + 56_000 });
  });

  it('is to wait as long as for one of ours, where the Lease promises nothing', () => {
    expect(step(seen(4000, { leaseDurationSeconds: 0 }))).toEqual({ kind: 'wait', untilMs: NOW + 11_000 });
  });

  it('is to take it when its holder has shown no sign of life for so long', () => {
    expect(step(seen(14_999)).kind).toBe('wait');
    expect(step(seen(15_000))).toEqual({ kind: 'acquire', transitions: 4 });
  });

  it('is not decided by the times in it, of a clock that goes wrong', () => {
    for (const renewTime of ['1970-01-01T00:00:00.000000Z', '2999-01-01T00:00:00.000000Z', '']) {
      expect(step(seen(1000, { renewTime })).kind).toBe('wait');
      expect(step(seen(20_000, { renewTime })).kind).toBe('acquire');
    }
  });

  it('is to go on with one that names us: a write that we gave up came late', () => {
    expect(step(seen(0, { holderIdentity: OURS }))).toEqual({ kind: 'acquire', transitions: 3 });
  });
});

describe('what is to be done about a Lease that is ours', () => {
  const step = (sighting: Sighting, held: Term) => nextStep(sighting, held, OURS, NOW, TIMES);
  const ours = { holderIdentity: OURS };

  it('is to renew it, however long we were away, when nobody took it', () => {
    expect(step(seen(2000, ours), term(2000))).toEqual({ kind: 'renew' });
    expect(step(seen(60_000, ours), term(60_000))).toEqual({ kind: 'renew' });
  });

  it.each<[string, Partial<SeenLease>, number, RegExp]>([
    ['names another', {}, 2000, /^them holds it$/],
    ['names nobody', { holderIdentity: '' }, 2000, /released by somebody else/],
    ['had another holder in between', { ...ours, leaseTransitions: 5 }, 2000, /transition 3, found 5/],
    ['is older than ours', { ...ours, leaseTransitions: 2 }, 2000, /transition 3, found 2/],
    ['was made anew while we could not renew it', { ...ours, uid: 'lease-2' }, 10_000, /made anew/],
  ])('is nothing: it is lost when it %s', (_, change, renewedAgoMs, why) => {
    expect(step(seen(0, change), term(renewedAgoMs))).toEqual({
      kind: 'lost',
      why: expect.stringMatching(why) as unknown,
    });
  });

  it('is to make it anew, with its transitions, when somebody deletes it while we may act', () => {
    expect(step(NONE, term(9999))).toEqual({ kind: 'create', transitions: 3 });
    expect(step(seen(0, { ...ours, uid: 'lease-2' }), term(9999))).toEqual({ kind: 'renew' });
  });

  it('is nothing when it was deleted and we may not act: another may have had it', () => {
    expect(step(NONE, term(10_000)).kind).toBe('lost');
  });
});

describe('a holder', () => {
  it('may act for 10 s from when it began to ask for its last renewal', () => {
    expect(isInTime(term(9999), NOW, TIMES)).toBe(true);
    expect(isInTime(term(10_000), NOW, TIMES)).toBe(false);
    expect(isInTime(term(60_000), NOW, TIMES)).toBe(false);
  });

  it('has ended before others may think so, whenever they saw its last renewal', () => {
    // They saw it when it was answered, at the earliest when it was asked for.
    const held = term(TIMES.renewMs);
    expect(isInTime(held, NOW, TIMES)).toBe(false);
    expect(liveHolder({ lease: lease(), sinceMs: held.renewedMs }, NOW, TIMES)).toBe('them');
  });
});

describe('a sign of life', () => {
  const first = seen(8000);

  it.each<[string, Partial<SeenLease>]>([
    ['another time of renewal', { renewTime: '2026-10-20T10:00:02.000000Z' }],
    ['an earlier time of renewal: its clock was set back', { renewTime: '2026-10-20T09:00:00.000000Z' }],
    ['another holder', { holderIdentity: 'others' }],
    ['more transitions', { leaseTransitions: 4 }],
    ['another time of acquisition', { acquireTime: '' }],
    ['another duration', { leaseDurationSeconds: 16 }],
    ['another Lease of that name', { uid: 'lease-2' }],
  ])('is %s', (_, change) => {
    expect(see(first, lease(change), NOW).sinceMs).toBe(NOW);
  });

  it('is not the same record once more', () => {
    expect(see(first, lease(), NOW).sinceMs).toBe(NOW - 8000);
  });

  it('is given by a holder that renews each second for ever', () => {
    let sighting = first;
    for (let second = 0; second < 60; second++) {
      const nowMs = NOW + second * 1000;
      sighting = see(sighting, lease({ renewTime: String(second) }), nowMs);
      expect(nextStep(sighting, undefined, OURS, nowMs, TIMES)).toEqual({ kind: 'wait', untilMs: nowMs + 15_000 });
    }
  });

  it('is nothing that a Lease which is not there can give', () => {
    expect(see(see(undefined, undefined, NOW - 5000), undefined, NOW).sinceMs).toBe(NOW - 5000);
    expect(liveHolder(NONE, NOW, TIMES)).toBeUndefined();
  });
});
