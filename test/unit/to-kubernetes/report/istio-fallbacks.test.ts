import { describe, expect, it } from '@jest/globals';
import { createMetrics } from '../../../../src/observability/metrics.ts';
import { createFallbacks, isSignOfAbsence } from '../../../../src/to-kubernetes/report/istio-fallbacks.ts';
import { logged, namePlan, namespacePlan } from '../plans.ts';
import { refusal } from '../plain-api.ts';

describe('services that should have WorkloadEntries and cannot', () => {
  const plan = (...fallbacks: string[]) =>
    namePlan({ namespaces: fallbacks.map((fallback) => namespacePlan({ fallback })) });

  it('are counted, and told once for each reason', async () => {
    const { log, records } = logged();
    const metrics = createMetrics();
    const fallbacks = createFallbacks({ log, metrics });
    fallbacks.note('a', plan('', 'no kind'));
    fallbacks.note('b', plan('no kind'));
    expect(records.map(({ fields }) => fields)).toEqual([{ why: 'no kind', first: 'a' }]);
    fallbacks.note('b', plan('no right'));
    fallbacks.note('a', plan(''));
    expect([records.length, fallbacks.count]).toEqual([2, 1]);
    expect((await metrics.istioFallbacks.get()).values).toEqual([{ labels: {}, value: 1 }]);
    // Once none is left, the same reason is news again.
    fallbacks.note('b', plan());
    fallbacks.note('b', plan('no right'));
    expect([records.length, fallbacks.count]).toEqual([3, 1]);
  });
});

describe('a refusal', () => {
  it.each([
    ['WorkloadEntry', 403, true],
    ['WorkloadEntry', 404, true],
    ['WorkloadEntry', 405, true],
    ['WorkloadEntry', 422, false],
    ['EndpointSlice', 404, false],
  ])('of a %s with %d says that the kind is gone: %p', (kind, status, sign) => {
    expect(isSignOfAbsence(refusal('create', kind, 'shop/a', status))).toBe(sign);
  });

  it('that is no answer says nothing', () => {
    expect(isSignOfAbsence(new Error('socket hang up'))).toBe(false);
  });
});
