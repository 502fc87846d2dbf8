import { describe, expect, it } from '@jest/globals';
import type { ServiceProblem } from '../../../../src/to-consul/registration/rejection.ts';
import { Patience } from '../../../../src/to-consul/report/patience.ts';

const problem = (kind: ServiceProblem['kind'], about = 'port'): ServiceProblem => ({
  ...{ service: 'shop/orders', about, kind },
  rejection: { reason: 'InvalidPort', message: about },
});
const WRONG = problem('wrong');
const LATE = problem('late');

describe('patience', () => {
  it('has none with what is wrong, or overruled', () => {
    const all = [WRONG, problem('overruled')];
    expect(new Patience(10_000).judge('shop/a', all, 0)).toEqual({ due: all, nextInMs: undefined });
  });

  it('waits with what is late until it has lasted', () => {
    const patience = new Patience(10_000);
    expect(patience.judge('shop/a', [LATE], 1000)).toEqual({ due: [], nextInMs: 10_000 });
    expect(patience.judge('shop/a', [LATE, WRONG], 7000)).toEqual({ due: [WRONG], nextInMs: 4000 });
    expect(patience.judge('shop/a', [LATE], 11_000)).toEqual({ due: [LATE], nextInMs: undefined });
  });

  it('begins anew with what was over in between, and with what is about something else', () => {
    const patience = new Patience(10_000);
    patience.judge('shop/a', [LATE], 0);
    patience.judge('shop/a', [], 5000);
    expect(patience.judge('shop/a', [LATE], 11_000).due).toEqual([]);
    expect(patience.judge('shop/a', [LATE, problem('late', 'other')], 21_000)).toEqual({
      due: [LATE],
      nextInMs: 10_000,
    });
  });

  it('is of each pod', () => {
    const patience = new Patience(10_000);
    patience.judge('shop/a', [LATE], 0);
    expect(patience.judge('shop/b', [LATE], 10_000).due).toEqual([]);
  });
});
