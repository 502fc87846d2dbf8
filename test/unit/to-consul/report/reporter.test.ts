import { beforeEach, describe, expect, it } from '@jest/globals';
import type { EventReport } from '../../../../src/kubernetes/events.ts';
import { objectKey, type Pod } from '../../../../src/kubernetes/objects.ts';
import { createResources } from '../../../../src/kubernetes/resources.ts';
import { createMetrics, type Metrics } from '../../../../src/observability/metrics.ts';
import type { Rejection, ServiceProblem } from '../../../../src/to-consul/registration/rejection.ts';
import { createReporter, noPod, type Reporter } from '../../../../src/to-consul/report/reporter.ts';
import { service } from '../../builders.ts';
import { QUIET } from '../../log.ts';
import { viewOf } from '../../to-kubernetes/views.ts';
import { podNamed } from '../planning.ts';

const A = podNamed('a');
const B = podNamed('b');
const invalid = (message: string): Rejection => ({ reason: 'InvalidPort', message });

let events: string[];
let minor: number;
let metrics: Metrics;
let reporter: Reporter;

function start(...pods: readonly Pod[]) {
  const pods_ = viewOf(...pods);
  events = [];
  minor = 0;
  metrics = createMetrics();
  reporter = createReporter({
    views: { pods: pods_, services: viewOf(service(), service({ name: 'ord-b' })) },
    resources: createResources({ annotation: () => true }),
    events: {
      report: ({ kind }, object, { reason, note, isMinor }: EventReport) => {
        events.push(`${kind} ${objectKey(object)} ${reason}: ${note}`);
        if (isMinor) minor++;
      },
    },
    log: QUIET,
    metrics,
  });
  return pods_;
}

beforeEach(() => void start(A, B));

async function counted(): Promise<number> {
  const { values } = await metrics.rejections.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

describe('what is rejected', () => {
  it('is told once for each new reason', async () => {
    reporter.rejections('shop/a', [invalid('no port')]);
    reporter.rejections('shop/a', [invalid('no port')]);
    expect(events).toEqual(['Pod shop/a InvalidPort: Not registered in Consul as asked: no port']);
    reporter.rejections('shop/a', [invalid('no such port')]);
    expect([events.length, await counted()]).toEqual([2, 2]);
    expect([...reporter.rejected]).toEqual([['Pod shop/a', 'no such port']]);
  });

  it('by Consul for want of a right is told of a pod that is gone too, whose instance stays for it', async () => {
    start();
    const refused: Rejection = { reason: 'ConsulRefused', message: 'the token may not write service orders' };
    reporter.rejections('shop/gone', [refused, invalid('no port')], true, 'uid-of-gone');
    expect(events).toEqual([
      'Pod shop/gone ConsulRefused: Left as it was in Consul: the token may not write service orders',
    ]);
    expect([...reporter.rejected.keys(), await counted()]).toEqual(['Pod shop/gone', 1]);
    reporter.rejections('shop/gone', []);
    expect(reporter.rejected.size).toBe(0);
  });

  it('is told again when it was mended in between', () => {
    reporter.rejections('shop/a', [invalid('no port')]);
    reporter.rejections('shop/a', []);
    expect(reporter.rejected.size).toBe(0);
    reporter.rejections('shop/a', [invalid('no port')]);
    expect(events.length).toBe(2);
  });

  it('is forgotten with its pod', () => {
    const pods = start(A);
    reporter.rejections('shop/a', [invalid('no port')]);
    pods.delete({ ...A, resourceVersion: '101' });
    reporter.rejections('shop/a', [invalid('no port')]);
    expect([events.length, reporter.rejected.size]).toEqual([1, 0]);
  });

  it.each([
    [5, 5, 'problem 5'],
    [6, 5, 'problem 5 (and 1 more)'],
    [1000, 5, 'problem 5 (and 995 more)'],
  ])('%d times on one pod is told %d times', (count, told, last) => {
    reporter.rejections(
      'shop/a',
      Array.from({ length: count }, (_, i) => invalid(`problem ${i + 1}`)),
    );
    expect([events.length, events.at(-1)]).toEqual([
      told,
      `Pod shop/a InvalidPort: Not registered in Consul as asked: ${last}`,
    ]);
  });
});

describe('what has no effect', () => {
  it('is told once for a workload, in no hurry', () => {
    reporter.warnings('shop/a', ['SERVICE_X is not known']);
    reporter.warnings('shop/b', ['SERVICE_X is not known']);
    expect(events).toEqual(['Pod shop/a VariableIgnored: Without effect in Consul: SERVICE_X is not known']);
    expect(minor).toBe(1);
    expect(reporter.rejected.size).toBe(0);
  });

  it('is told for each pod that has no workload', () => {
    start({ ...A, owner: undefined }, { ...B, owner: undefined });
    reporter.warnings('shop/a', ['SERVICE_X is not known']);
    reporter.warnings('shop/b', ['SERVICE_X is not known']);
    expect(events.length).toBe(2);
  });

  it('is told no more than five times for a pod, and of no pod that is gone', () => {
    const many = Array.from({ length: 100 }, (_, i) => `SERVICE_${i} is not known`);
    reporter.warnings('shop/a', many);
    reporter.warnings('shop/gone', many);
    expect(events.length).toBe(5);
  });

  it('is told again after so many others that nobody can remember all', () => {
    reporter.warnings('shop/a', ['the first']);
    for (let i = 1; i < 10_000; i++) reporter.warnings('shop/a', [`number ${i}`]);
    reporter.warnings('shop/a', ['the first']);
    expect(events.length).toBe(10_000);
    reporter.warnings('shop/a', ['one too many']);
    reporter.warnings('shop/a', ['the first']);
    expect(events.length).toBe(10_002);
  });
});

describe('endpoints of a Service that belong to no pod', () => {
  it.each([
    [['10.9.9.1'], '1 endpoint of this Service belong to no pod and cannot be registered: "10.9.9.1"'],
    [
      ['10.9.9.1', '10.9.9.2', '10.9.9.3', '10.9.9.4'],
      '4 endpoints of this Service belong to no pod and cannot be registered: "10.9.9.1", "10.9.9.2", "10.9.9.3"',
    ],
  ])('%j are told on the Service', (addresses, message) => {
    reporter.service(service(), [noPod(addresses, 3)]);
    expect(events).toEqual([`Service shop/orders NoPod: Not registered in Consul as asked: ${message}`]);
    expect([...reporter.rejected]).toEqual([['Service shop/orders', message]]);
    reporter.service(service(), []);
    expect(reporter.rejected.size).toBe(0);
  });
});

describe('what pods tell of a Service', () => {
  const missing = (pod: string): ServiceProblem => ({
    ...{ service: 'shop/orders', about: 'port', kind: 'wrong' },
    rejection: invalid(`no port in pod ${pod}`),
  });

  it('is told on the Service, counted once for all of its pods, and over with the last of them', async () => {
    reporter.ofServices('shop/a', [missing('a')]);
    reporter.ofServices('shop/b', [missing('b')]);
    reporter.ofServices('shop/a', []);
    expect(events).toEqual(['Service shop/orders InvalidPort: Not registered in Consul as asked: no port in pod a']);
    expect([await counted(), [...reporter.rejected]]).toEqual([1, [['Service shop/orders', 'no port in pod a']]]);
    reporter.ofServices('shop/b', []);
    expect(reporter.rejected.size).toBe(0);
  });

  it('is told beside its endpoints that belong to no pod', () => {
    reporter.service(service(), [noPod(['10.9.9.1'])]);
    reporter.ofServices('shop/a', [missing('a')]);
    expect(reporter.rejected.get('Service shop/orders')).toMatch(/^1 endpoint .*; no port in pod a$/);
    reporter.service(service(), []);
    expect(reporter.rejected.get('Service shop/orders')).toBe('no port in pod a');
  });

  it('is told once, whether the Service or a pod tells it first', async () => {
    const { rejection } = missing('a');
    reporter.service(service(), [rejection]);
    reporter.ofServices('shop/a', [{ ...missing('a'), about: rejection.message }]);
    reporter.service(service(), [rejection]);
    expect(events).toHaveLength(1);
    reporter.service(service(), []);
    expect([await counted(), [...reporter.rejected]]).toEqual([1, [['Service shop/orders', rejection.message]]]);
    reporter.ofServices('shop/a', []);
    expect(reporter.rejected.size).toBe(0);
  });

  it('says of what another Service wins that it has no effect, once, and does not count it', async () => {
    const overruled: ServiceProblem = {
      ...{ service: 'shop/ord-b', about: 'weight', kind: 'overruled' },
      rejection: { reason: 'Overruled', message: 'weight: 5, not 3' },
    };
    reporter.ofServices('shop/a', [overruled]);
    reporter.ofServices('shop/b', [overruled]);
    expect(events).toEqual(['Service shop/ord-b Overruled: Without effect in Consul: weight: 5, not 3']);
    expect([await counted(), reporter.rejected.size]).toEqual([0, 0]);
  });
});

describe('what stays although it is not wanted as it is', () => {
  it('is told as left as it was', () => {
    reporter.rejections('shop/a', [invalid('no port')], true);
    reporter.rejections('shop/b', [{ reason: 'Duplicate', message: 'somebody has it' }], true);
    const missing: ServiceProblem = {
      service: 'shop/orders',
      about: 'port',
      kind: 'wrong',
      rejection: invalid('none'),
    };
    reporter.ofServices('shop/a', [missing, { ...missing, service: 'shop/ord-b' }], new Set(['orders']));
    expect(events).toEqual([
      'Pod shop/a InvalidPort: Left as it was in Consul: no port',
      'Pod shop/b Duplicate: Not registered in Consul as asked: somebody has it',
      'Service shop/orders InvalidPort: Left as it was in Consul: none',
      'Service shop/ord-b InvalidPort: Not registered in Consul as asked: none',
    ]);
  });
});
