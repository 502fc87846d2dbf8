import { describe, expect, it } from '@jest/globals';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { warningsOf } from '../../../../src/to-kubernetes/plan/warnings.ts';
import { instance, service, strings } from '../../builders.ts';
import { mirrorOf, NETWORK } from '../mirrored.ts';

const reasons = (
  given: Partial<Parameters<typeof warningsOf>[0]> & { readonly present?: Service | undefined },
): string[] =>
  warningsOf({
    ...{ name: 'billing', serviceName: 'billing', rivals: [], present: undefined, isMeshed: false },
    mirroring: mirrorOf([instance()], {}, given.present),
    ...given,
  }).map(({ reason, message }) => `${reason}: ${message}`);

describe('a mirrored service', () => {
  it('that is as everybody expects gets no warning, new or not', () => {
    expect(reasons({})).toEqual([]);
    expect(reasons({ present: service() })).toEqual([]);
  });

  it('that has another name because of others names them', () => {
    const [told, ...more] = reasons({
      serviceName: 'my-app-0a1b2c3d',
      rivals: ['my-app', 'my.app', 'my_app', 'My App'],
    });
    expect(told).toMatch(/^NameCollision: .* called my-app-0a1b2c3d .* that of my-app, my\.app, my_app$/);
    expect(more).toEqual([]);
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
    const [present, other] = [service(), service({ clusterIPs: ['None'] })];
    expect(reasons({ present, mirroring: mirrorOf([headless], {}, present) })).toEqual([
      expect.stringMatching(/^ServiceShape: .*should be headless.*delete the Service/),
    ]);
    expect(reasons({ present: other, mirroring: mirrorOf([instance()], {}, other) })).toEqual([
      expect.stringMatching(/^ServiceShape: .*should be with a ClusterIP.*is headless/),
    ]);
    expect(reasons({ present: other, mirroring: mirrorOf([headless], {}, other) })).toEqual([]);
  });

  it('with instances of a family that no Service of the cluster has says how many', () => {
    const present = service();
    const instances = [
      instance(),
      instance({ id: 'six', address: 'fd00::7' }),
      instance({ id: '6', address: 'fd00::8' }),
    ];
    expect(reasons({ present, mirroring: mirrorOf(instances, {}, present) })).toEqual([
      expect.stringMatching(/^AddressFamily: 2 instances of Consul service billing .* no IPv6 address/),
    ]);
    // Where the cluster has it, the Service is about to get it.
    const network = { ...NETWORK, families: ['IPv4', 'IPv6'] as const };
    expect(reasons({ present, mirroring: mirrorOf(instances, {}, present, network) })).toEqual([]);
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
});
