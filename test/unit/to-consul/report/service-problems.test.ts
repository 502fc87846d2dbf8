import { describe, expect, it } from '@jest/globals';
import { ServiceProblems, type ToldProblem } from '../../../../src/to-consul/report/service-problems.ts';

const problem = (pod: string, about = 'port', service = 'shop/orders'): ToldProblem => ({
  ...{ service, about, kind: 'wrong', isHeld: false },
  rejection: { reason: 'InvalidPort', message: `${about} of pod ${pod}` },
});
const words = (problems: ServiceProblems, service = 'shop/orders') =>
  problems.of(service).map(({ rejection }) => rejection.message);

describe('what pods tell of the Services over them', () => {
  it('is one problem when many tell the same, in the words of the first as long as any of them tells it', () => {
    const problems = new ServiceProblems();
    problems.note('shop/a', [problem('a')]);
    problems.note('shop/b', [problem('b')]);
    expect(words(problems)).toEqual(['port of pod a']);
    problems.note('shop/a', []);
    expect(words(problems)).toEqual(['port of pod a']);
    problems.note('shop/b', []);
    expect(words(problems)).toEqual([]);
    problems.note('shop/b', [problem('b')]);
    expect(words(problems)).toEqual(['port of pod b']);
  });

  it('is several problems of several Services, and names the Services whose problems may have changed', () => {
    const problems = new ServiceProblems();
    expect(problems.note('shop/a', [problem('a'), problem('a', 'name'), problem('a', 'port', 'shop/stock')])).toEqual(
      new Set(['shop/orders', 'shop/stock']),
    );
    expect(problems.note('shop/a', [problem('a', 'name')])).toEqual(new Set(['shop/orders', 'shop/stock']));
    expect([words(problems), words(problems, 'shop/stock')]).toEqual([['name of pod a'], []]);
  });
});
