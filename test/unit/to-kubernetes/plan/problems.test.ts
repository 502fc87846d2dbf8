import { describe, expect, it } from '@jest/globals';
import { problemsOf, tooManyServices, type ProblemSources } from '../../../../src/to-kubernetes/plan/problems.ts';
import { instance, service, strings } from '../../builders.ts';
import { mirrorOf, NETWORK } from '../mirrored.ts';

const found = (given: Partial<ProblemSources>) =>
  problemsOf({
    ...{ name: 'billing', serviceName: 'billing', rivals: [], conflict: undefined, observed: undefined },
    ...{ isMeshed: false, mirroring: mirrorOf([instance()], {}, given.observed) },
    ...given,
  });
const reasons = (given: Partial<ProblemSources>): string[] =>
  found(given).map(({ reason, message }) => `${reason}: ${message}`);

describe('a mirrored service', () => {
  it('that is as everybody expects has no problem, new or not', () => {
    expect(reasons({})).toEqual([]);
    expect(reasons({ observed: service() })).toEqual([]);
  });

  it('that has another name because of others names them', () => {
    const [told, ...more] = reasons({
      serviceName: 'my-app-0a1b2c3d',
      rivals: ['my-app', 'my.app', 'my_app', 'My App'],
    });
    expect(told).toMatch(/^NameCollision: .* called my-app-0a1b2c3d .* that of my-app, my\.app, my_app$/);
    expect(more).toEqual([]);
  });

  it.each([
    [{ internalTrafficPolicy: 'Local' }, /^TrafficPolicy: internalTrafficPolicy Local leads to .* on none$/],
    [{ trafficDistribution: 'PreferSameNode' }, /^TrafficPolicy: trafficDistribution PreferSameNode works only when/],
  ])('of whose Service somebody set %j says who is not reached', (policy, expected) => {
    const [told, ...more] = found({ observed: service(policy) });
    expect([`${told?.reason ?? ''}: ${told?.message ?? ''}`, told?.isWarning, more]).toEqual([
      ...[expect.stringMatching(expected), true, []],
    ]);
    expect(reasons({ observed: service({ ...policy, clusterIPs: ['None'] }), mirroring: undefined })).toEqual([]);
  });

  it('with more tags than an annotation may have says that they are left out', () => {
    const tags = Array.from({ length: 50 }, (_, i) => `${'x'.repeat(100)}${i}`);
    const mirroring = mirrorOf([instance({ tags })]);
    expect(reasons({ mirroring })).toEqual([
      expect.stringMatching(/^TagsOmitted: the tags .* all 50 together .* 4 KiB/),
    ]);
  });

  it('with an instance whose host name is not known any more says where it stays', () => {
    const doubtful = ['a', 'b', 'c'].map((id) => ({ instance: `vm-1/${id}`, reason: `no ${id}` }));
    const mirroring = mirrorOf([instance()]);
    expect(reasons({ mirroring: { ...mirroring, doubtful: doubtful.slice(0, 1) } })).toEqual([
      expect.stringMatching(/^HostUnresolved: .*billing stays at its last address: vm-1\/a: no a$/),
    ]);
    expect(reasons({ mirroring: { ...mirroring, doubtful } })).toEqual([expect.stringMatching(/no a, and 2 more$/)]);
  });

  it('that should have another shape than it has says how it gets it', () => {
    const headless = instance({ meta: strings({ 'consular-headless': 'true' }) });
    const [observed, other] = [service(), service({ clusterIPs: ['None'] })];
    expect(reasons({ observed, mirroring: mirrorOf([headless], {}, observed) })).toEqual([
      expect.stringMatching(/^ServiceShape: .*should be headless.*delete the Service/),
    ]);
    expect(reasons({ observed: other, mirroring: mirrorOf([instance()], {}, other) })).toEqual([
      expect.stringMatching(/^ServiceShape: .*should be with a ClusterIP.*is headless/),
    ]);
    expect(reasons({ observed: other, mirroring: mirrorOf([headless], {}, other) })).toEqual([]);
  });

  it('with instances of a family that no Service of the cluster has says how many', () => {
    const observed = service();
    const instances = [
      instance(),
      instance({ id: 'six', address: 'fd00::7' }),
      instance({ id: '6', address: 'fd00::8' }),
    ];
    expect(reasons({ observed, mirroring: mirrorOf(instances, {}, observed) })).toEqual([
      expect.stringMatching(/^AddressFamily: 2 instances of Consul service billing .* no IPv6 address/),
    ]);
    // Where the cluster has it, the Service is about to get it.
    const network = { ...NETWORK, families: ['IPv4', 'IPv6'] as const };
    expect(reasons({ observed, mirroring: mirrorOf(instances, {}, observed, network) })).toEqual([]);
  });

  it('with several instances at one IP says so where Istio reads its slices, unless it is headless', () => {
    const sameIP = [instance(), instance({ id: 'second', port: 9098 }), instance({ id: 'third', port: 9099 })];
    const mirroring = mirrorOf(sameIP);
    expect(reasons({ mirroring })).toEqual([]);
    expect(reasons({ mirroring, isMeshed: true })).toEqual([
      expect.stringMatching(
        /^SharedAddress: 2 instances of Consul service billing .* 10\.20\.0\.1 has several: mode istio/,
      ),
    ]);
    expect(reasons({ isMeshed: true })).toEqual([]);
    const headless = mirrorOf(sameIP.map((one) => ({ ...one, meta: strings({ 'consular-headless': 'true' }) })));
    expect(reasons({ mirroring: headless, isMeshed: true })).toEqual([]);
  });

  it('with an instance that cannot be an endpoint names the first three and says how many there are', () => {
    const refused = ['a', 'b', 'c', 'd'].map((id) => ({ instance: `vm-1/${id}`, reason: `no ${id}` }));
    const withRefused = (count: number) => ({ ...mirrorOf([instance()]), refused: refused.slice(0, count) });
    expect(reasons({ mirroring: withRefused(1) })).toEqual([
      'InstanceRefused: 1 instance of Consul service billing cannot be an endpoint: vm-1/a: no a',
    ]);
    expect(reasons({ mirroring: withRefused(4) })).toEqual([
      'InstanceRefused: 4 instances of Consul service billing cannot be an endpoint: vm-1/a: no a; vm-1/b: no b; vm-1/c: no c',
    ]);
  });

  it('whose Service was let go still says so on that Service, beside what concerns its endpoints', () => {
    const conflict = service({ name: 'billing' });
    const mirroring = { ...mirrorOf([instance()]), refused: [{ instance: 'vm-1/a', reason: 'no a' }] };
    expect(found({ conflict, mirroring }).map(({ reason, about }) => [reason, about])).toEqual([
      ['NameConflict', conflict],
      ['InstanceRefused', undefined],
    ]);
  });
});

describe('a service that is not mirrored', () => {
  it('because somebody has its name says whose Service that is, and nothing else', () => {
    const conflict = service({ name: 'billing' });
    expect(found({ conflict, mirroring: undefined, rivals: ['other'], isMeshed: true })).toEqual([
      {
        ...{ reason: 'NameConflict', about: conflict, isWarning: false },
        message:
          "Consul service billing cannot be mirrored: a Service with the name billing exists here and is not Consular's",
      },
    ]);
  });

  it('because there are too many says how many may be', () => {
    expect(tooManyServices('billing', 500)).toEqual({
      ...{ reason: 'TooManyServices', isWarning: false },
      message: 'Consul service billing is not mirrored: 500 services are already (toKubernetes.maxServices)',
    });
  });
});

describe('a problem', () => {
  it.each([
    ['a warning when all is done as asked', true, { rivals: ['other'] }],
    ['no warning when something is not', false, { conflict: service(), mirroring: undefined }],
  ])('is %s', (_, isWarning, given) => {
    expect(found(given).map((problem) => problem.isWarning)).toEqual([isWarning]);
  });
});
