import { expect, it } from '@jest/globals';
import { Distrust } from '../../../../src/consul/distrust.ts';
import { reportLosses } from '../../../../src/to-kubernetes/report/consul-losses.ts';
import { TestClock } from '../../clock.ts';
import { RESOURCES } from '../plain-api.ts';

function stage() {
  const distrust = new Distrust(new TestClock());
  const told: string[] = [];
  const report = () =>
    reportLosses({
      config: { namespaces: ['shop', 'apps'] },
      distrust,
      resources: RESOURCES,
      events: {
        report: ({ kind }, { name }, { type, reason, note }) =>
          told.push(`${kind} ${name}: ${type} ${reason}: ${note}`),
      },
    });
  return { distrust, told, report };
}

it('each namespace with mirrored Services is told of a loss, with its sign and until when it counts', () => {
  const { distrust, told, report } = stage();
  report();
  expect(told).toEqual([]);
  distrust.begin('early-answer');
  expect(told).toEqual([
    expect.stringMatching(/^Namespace shop: Warning ConsulWentBack: .*\(early-answer\): until .* counts at once\.$/),
    expect.stringMatching(/^Namespace apps: /),
  ]);
});

it('of a loss that is known at the start it is told at the start', () => {
  const { distrust, told, report } = stage();
  distrust.begin('told-by-own-entry');
  report();
  expect(told).toHaveLength(2);
});
