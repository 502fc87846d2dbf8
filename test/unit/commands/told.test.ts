import { describe, expect, it } from '@jest/globals';
import { describeNamespace } from '../../../src/commands/plan.ts';
import { explainedTold } from '../../../src/commands/explain/explanation.ts';
import { toldIn, toldOf, toldOfImport } from '../../../src/commands/told.ts';
import { problem } from '../../../src/to-kubernetes/problem.ts';
import { namespacePlan } from '../to-kubernetes/plans.ts';

const refused = ['a', 'b'].map((id) => ({ instance: `vm-1/${id}`, reason: `no ${id}` }));
const problems = [problem('InstanceRefused', '2 instances'), problem('ServiceShape', 'another shape')];

describe('what a command tells of a mirrored service', () => {
  it('is each refused instance by itself, and all else on the Service', () => {
    expect(toldIn(namespacePlan({ problems, refused })).map(({ object, message }) => `${object}: ${message}`)).toEqual([
      ...['Consul instance vm-1/a: no a', 'Consul instance vm-1/b: no b', 'Service shop/billing: another shape'],
    ]);
  });

  it('has its warnings in a plan too, apart from what is rejected', () => {
    const { rejections, warnings } = describeNamespace('billing', true, namespacePlan({ problems, refused }));
    expect(rejections.map(({ object }) => object)).toEqual(['Consul instance vm-1/a', 'Consul instance vm-1/b']);
    expect(warnings).toEqual([{ direction: 'to-kubernetes', object: 'Service shop/billing', reason: 'another shape' }]);
  });

  it('has its warnings in an explanation, with the Service where others say the same', () => {
    const told = toldIn(namespacePlan({ problems, refused }));
    const { rejections, warnings } = explainedTold(told);
    expect(rejections.map(({ message }) => message)).toEqual(['no a', 'no b']);
    expect(warnings).toEqual(['another shape']);
    expect(explainedTold(told, true)).toEqual({ rejections, warnings: ['Service shop/billing: another shape'] });
  });

  it('names the Consul nodes that share an endpoint, as a warning that is no problem', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const repeated = [3, 7].map((count) => ({
      address: '172.17.0.2',
      port: 8080 + count,
      nodes: nodes.slice(0, count),
    }));
    const shared =
      'which is one endpoint: right for a virtual IP, and not for an address that each machine has for itself';
    const expected = [
      `Consul nodes a, b, c have an instance at 172.17.0.2:8083, ${shared}`,
      `Consul nodes a, b, c, d, e and 2 more have an instance at 172.17.0.2:8087, ${shared}`,
    ];
    const told = toldIn(namespacePlan({ repeated }));
    expect(told.map(({ object, isWarning }) => [object, isWarning])).toEqual(
      told.map(() => ['Service shop/billing', true]),
    );
    expect(told.map(({ message }) => message)).toEqual(expected);
    expect(toldOfImport('shop/web', { problems: [], repeated }).map(({ message }) => message)).toEqual(expected);
  });

  it('names the Consul service, or the Service that takes it in, where it is about that', () => {
    expect(toldOf('billing', { problems }).map(({ object }) => object)).toContain('Consul service billing');
    expect(toldOfImport('shop/web', { problems, repeated: [] }).map(({ object }) => object)).toContain(
      'Service shop/web',
    );
  });
});
