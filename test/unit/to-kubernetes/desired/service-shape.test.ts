import { describe, expect, it } from '@jest/globals';
import type { Family } from '../../../../src/address.ts';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { chooseShape, type ServiceShape } from '../../../../src/to-kubernetes/desired/service-shape.ts';
import { instance, service, strings } from '../../builders.ts';
import { mirrorOf, NETWORK } from '../mirrored.ts';

const says = (id: string, text: string) => instance({ id, meta: strings({ 'consular-headless': text }) });
const normal = service();
const headless = service({ clusterIPs: ['None'] });

describe('a Service is headless', () => {
  it.each<[string, ServiceInstance[], string[], Service | undefined, boolean]>([
    ['when the settings name it', [], ['billing'], undefined, true],
    ['when a pattern of the settings does', [], ['b*'], undefined, true],
    ['not when they name another', [], ['orders'], undefined, false],
    ['when its instances say so', [says('a', 'true')], [], undefined, true],
    ['when most of them do', [says('a', 'true'), says('b', 'true'), instance()], [], undefined, true],
    ['not when half of them do', [says('a', 'true'), instance()], [], undefined, false],
    ['not when they say something else', [says('a', 'yes')], [], undefined, false],
    ['not when it has a ClusterIP', [says('a', 'true')], ['billing'], normal, false],
    ['when it was made so, whatever is said now', [], [], headless, true],
  ])('%s', (_, foreign, patterns, present, expected) => {
    expect(mirrorOf(foreign, { headless: patterns }, present).mirrored.shape.headless).toBe(expected);
  });
});

describe('the IP families of a Service', () => {
  const both = ['IPv4', 'IPv6'] as const;
  const dual = service({ clusterIPs: ['10.96.0.10', 'fd00:96::10'] });
  const onlyIPv6 = service({ clusterIPs: ['fd00:96::10'] });
  const asCluster: Partial<ServiceShape> = { onlyFamily: undefined, dualStack: false };

  it.each<[string, Family[], readonly Family[], Service | undefined, Partial<ServiceShape>]>([
    ['no instances', [], both, undefined, asCluster],
    ["the cluster's first family", ['IPv4'], both, undefined, asCluster],
    [
      "the cluster's other family, and a new Service",
      ['IPv6'],
      both,
      undefined,
      { onlyFamily: 'IPv6', dualStack: false },
    ],
    [
      "the cluster's other family, where IPv6 is the first",
      ['IPv4'],
      ['IPv6', 'IPv4'],
      undefined,
      { onlyFamily: 'IPv4' },
    ],
    ['both families', ['IPv4', 'IPv6'], both, undefined, { onlyFamily: undefined, dualStack: true }],
    ['a family that the cluster does not have', ['IPv6'], ['IPv4'], undefined, asCluster],
    ['both families, of which the cluster has one', ['IPv4', 'IPv6'], ['IPv4'], undefined, asCluster],
    ['a family that the Service lacks', ['IPv6'], both, normal, { onlyFamily: undefined, dualStack: true }],
    ['a family that the Service lacks, the other way round', ['IPv4'], both, onlyIPv6, { dualStack: true }],
    ['the families that the Service has', ['IPv6'], both, onlyIPv6, asCluster],
    ['fewer families than the Service has', ['IPv4'], both, dual, asCluster],
    ['nothing known of the cluster', ['IPv6'], [], undefined, asCluster],
  ])('%s', (_, families, cluster, present, expected) => {
    expect(chooseShape(false, new Set(families), cluster, present)).toMatchObject(expected);
  });

  it("are nobody's business of a headless one", () => {
    expect(chooseShape(true, new Set(['IPv6']), both, undefined)).toEqual({ headless: true, ...asCluster });
  });

  it('count those of critical instances, and not those of refused ones', () => {
    const shapeOf = (overrides: Partial<ServiceInstance>) =>
      mirrorOf([instance(overrides)], {}, undefined, { ...NETWORK, families: both }).mirrored.shape.onlyFamily;
    expect(shapeOf({ address: 'fd00::7', status: 'critical' })).toBe('IPv6');
    expect(shapeOf({ address: 'fe80::7' })).toBeUndefined();
  });
});
