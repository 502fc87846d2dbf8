import { describe, expect, it } from '@jest/globals';
import { createMetrics } from '../../../src/observability/metrics.ts';
import type { Direction, DirectionState, StateSource } from '../../../src/observability/state-gauges.ts';
import { seriesIn } from '../../rig/series.ts';

const BUSY: DirectionState = {
  ...{ owned: 9, retained: 2, kept: 3, rejected: 4, held: 5, failing: 6, waiting: 7, oldestWaitingMs: 1500 },
  overLimit: 8,
  lastSuccess: new Date('2026-11-01T00:00:00Z'),
};

/** The series of Consular's that a scrape finds, without those that are of no interest here. */
async function scrape(given: Partial<StateSource>): Promise<Record<string, number>> {
  const metrics = createMetrics();
  metrics.follow({
    judgements: () => [],
    directions: [],
    direction: () => undefined,
    certificates: () => new Map(),
    tokens: () => new Map(),
    ...given,
  });
  const series = seriesIn(await metrics.registry.metrics());
  return Object.fromEntries([...series].filter(([name]) => name.includes('{') && !name.includes('_bucket')));
}

describe('the gauges of what is so now', () => {
  it('have no series before there is anything to ask', async () => {
    const series = seriesIn(await createMetrics().registry.metrics());
    expect([...series.keys()].filter((name) => /^consular_(ready|owned|failing|oldest|last)/.test(name))).toEqual([]);
  });

  it('say of each source whether it is well, and forget one that is judged no more', async () => {
    const metrics = createMetrics();
    let sources = [
      { source: 'Consul services', failures: [] },
      { source: 'leader', failures: ['nobody leads', 'and nobody will'] },
    ];
    const nothing = { directions: [], direction: () => undefined, certificates: () => new Map<string, Date>() };
    metrics.follow({ ...nothing, tokens: () => new Map(), judgements: () => sources });
    const ready = async () =>
      (await metrics.ready.get()).values.map(({ labels, value }) => `${labels.source} ${value}`);
    expect(await ready()).toEqual(['Consul services 1', 'leader 0']);
    sources = sources.slice(0, 1);
    expect(await ready()).toEqual(['Consul services 1']);
  });

  it('say what a direction has, and nothing of one that is switched off', async () => {
    const direction = (asked: Direction) => (asked === 'to-consul' ? BUSY : undefined);
    expect(await scrape({ directions: ['to-consul'], direction })).toEqual({
      'consular_owned{direction="to-consul"}': 9,
      'consular_retained{direction="to-consul"}': 2,
      'consular_kept{direction="to-consul"}': 3,
      'consular_rejected{direction="to-consul"}': 4,
      'consular_held{direction="to-consul"}': 5,
      'consular_over_limit{direction="to-consul"}': 8,
      'consular_failing{direction="to-consul"}': 6,
      'consular_queue_depth{direction="to-consul"}': 7,
      'consular_oldest_waiting_seconds{direction="to-consul"}': 1.5,
      'consular_last_success_timestamp_seconds{direction="to-consul"}': Date.UTC(2026, 10, 1) / 1000,
    });
  });

  it('ask each direction once for a scrape', async () => {
    const asked: Direction[] = [];
    const direction = (one: Direction) => void asked.push(one);
    await scrape({ directions: ['to-consul', 'to-kubernetes'], direction });
    expect(asked).toEqual(['to-consul', 'to-kubernetes']);
  });

  it('are 0 while the directions do not run, as on a standby, but for a success that there never was', async () => {
    const series = await scrape({ directions: ['to-consul', 'to-kubernetes'] });
    expect(Object.values(series)).toEqual(Array(18).fill(0));
    expect(Object.keys(series).filter((name) => name.startsWith('consular_last_success'))).toEqual([]);
  });

  it('say when certificates and tokens end, and since when there is such a token', async () => {
    const end = new Date('2027-01-01T00:00:00Z');
    const series = await scrape({
      certificates: () => new Map([['consul-ca', end]]),
      tokens: () => new Map([['consul', { created: new Date('2026-01-01T00:00:00Z'), end }]]),
    });
    expect(series).toEqual({
      'consular_certificate_expiry_timestamp_seconds{certificate="consul-ca"}': Date.UTC(2027) / 1000,
      'consular_token_expiry_timestamp_seconds{token="consul"}': Date.UTC(2027) / 1000,
      'consular_token_created_timestamp_seconds{token="consul"}': Date.UTC(2026) / 1000,
    });
    expect(await scrape({ tokens: () => new Map([['consul', { created: undefined, end }]]) })).toEqual({
      'consular_token_expiry_timestamp_seconds{token="consul"}': Date.UTC(2027) / 1000,
    });
  });
});
