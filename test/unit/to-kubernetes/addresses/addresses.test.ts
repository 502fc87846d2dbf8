import { describe, expect, it } from '@jest/globals';
import { SERVICE_NAME_LABEL } from '../../../../src/kubernetes/objects.ts';
import { Addresses, serviceFamilies, type Hosts } from '../../../../src/to-kubernetes/addresses/addresses.ts';
import type { KnownHost } from '../../../../src/to-kubernetes/addresses/host-cache.ts';
import type { Network } from '../../../../src/to-kubernetes/desired/mirrored-service.ts';
import type { Views } from '../../../../src/to-kubernetes/views.ts';
import { endpoint, service, slice, strings, toKubernetesConfig } from '../../builders.ts';
import { NO_HOSTS, serviceCIDR, views } from '../views.ts';

const apiServer = slice({
  namespace: 'default',
  name: 'kubernetes',
  labels: strings({ [SERVICE_NAME_LABEL]: 'kubernetes' }),
  endpoints: [endpoint('192.168.1.10'), endpoint('192.168.1.11')],
});
const all = {
  services: [service({ clusterIPs: ['10.99.0.7', 'fd00:99::7'] }), service({ name: 'headless', clusterIPs: ['None'] })],
  slices: [apiServer, slice()],
  serviceCIDRs: [serviceCIDR('kubernetes', '10.96.0.0/16', 'fd00:96::/112'), serviceCIDR('more', '10.97.0.0/24')],
};

function networkOf(
  shown: Views,
  {
    denyAddresses = [],
    allowAddresses = [],
    hosts = NO_HOSTS,
  }: { denyAddresses?: string[]; allowAddresses?: string[]; hosts?: Hosts } = {},
): Network {
  return new Addresses(shown, toKubernetesConfig({ denyAddresses, allowAddresses }), hosts).network();
}

describe('an address of an instance', () => {
  const addresses = networkOf(views(all), { denyAddresses: ['10.66.0.0/16', 'fd66::/16'] });

  it.each([
    ['of a machine', '192.168.1.12'],
    ['of a pod, which may have registered itself', '10.1.0.7'],
    ['for documentation', '192.0.2.1'],
    ['beside the denied ranges', '10.67.0.0'],
  ])('%s is one for an endpoint', (_, address) => {
    expect(addresses.judge(address)).toEqual({ address, family: 'IPv4' });
  });

  it.each([
    ['of a Service', '10.99.0.7', 'gives to Services, to shop/orders'],
    ['of a Service, in IPv6 and another notation', 'FD00:99:0::7', 'gives to Services'],
    ['that a Service can get', '10.96.255.255', 'is in 10.96.0.0/16, which Kubernetes gives to Services'],
    ['that a Service can get, in IPv6', 'fd00:96::1234', 'gives to Services'],
    ['of a range that was added', '10.97.0.1', 'gives to Services'],
    ['of an API server', '192.168.1.11', 'API server'],
    ['of an API server, in another notation', '::ffff:192.168.1.11', 'API server'],
    ['in a denied range', '10.66.1.1', 'is in 10.66.0.0/16 of toKubernetes.denyAddresses'],
    ['in a denied range, in another notation', '::ffff:10.66.1.1', 'toKubernetes.denyAddresses'],
    ['that a gateway takes to a denied range', '64:ff9b::10.66.1.1', 'toKubernetes.denyAddresses'],
    ['in a denied range of IPv6', 'fd66::1', 'toKubernetes.denyAddresses'],
  ])('%s is refused', (_, address, reason) => {
    expect(addresses.judge(address)).toEqual({ refused: expect.stringContaining(reason) });
  });
});

describe('an address that the settings allow', () => {
  const allowAddresses = [
    '0.0.0.0/32',
    '192.168.1.11/32',
    '10.96.7.0/24',
    '100.100.100.200/32',
    '127.0.0.0/8',
    '169.254.0.0/16',
    'fe80::/10',
    '64:ff9b::/96',
  ];
  const addresses = networkOf(views(all), { denyAddresses: ['10.96.7.9/32'], allowAddresses });

  it.each([
    ['of the API server', '192.168.1.11'],
    ['that a Service can get', '10.96.7.1'],
    ['where a cloud tells credentials', '100.100.100.200'],
  ])('%s is one for an endpoint', (_, address) => {
    expect(addresses.judge(address)).toEqual({ address, family: 'IPv4' });
  });

  it.each([
    ['of another API server', '192.168.1.10', /API server, and in no range of toKubernetes.allowAddresses/],
    ['that is denied as well', '10.96.7.9', /denyAddresses/],
    ['that a Service can get, beside the range', '10.96.8.1', /gives to Services/],
    ['that no slice can have', '127.0.0.1', /no slice can have/],
    ['that no slice can have either', '169.254.169.254', /no slice can have/],
    ['that no slice can have, in IPv6', 'fe80::1', /no slice can have/],
    ['that is none', '0.0.0.0', /no slice can have/],
    ['whose gateway leads to one that is not allowed', '64:ff9b::10.96.8.1', /gives to Services/],
  ])('does not let one in %s', (_, address, reason) => {
    expect(addresses.judge(address)).toEqual({ refused: expect.stringMatching(reason) });
  });
});

describe('the addresses of Services', () => {
  it('follow the ranges', () => {
    const shown = views({ serviceCIDRs: [serviceCIDR('kubernetes', '10.96.0.0/16')] });
    const addresses = networkOf(shown);
    expect(addresses.judge('10.98.0.1')).toEqual({ address: '10.98.0.1', family: 'IPv4' });
    shown.serviceCIDRs?.put(serviceCIDR('new', '10.98.0.0/16'));
    expect(addresses.judge('10.98.0.1')).toHaveProperty('refused');
    shown.serviceCIDRs?.delete(serviceCIDR('new', '10.98.0.0/16'));
    expect(addresses.judge('10.98.0.1')).not.toHaveProperty('refused');
  });

  it('are those that are in use where the API server does not tell its ranges', () => {
    const { services, slices } = all;
    const addresses = networkOf(views({ services, slices }));
    expect(addresses.judge('10.99.0.7')).toHaveProperty('refused');
    expect(addresses.judge('10.99.0.8')).toEqual({ address: '10.99.0.8', family: 'IPv4' });
  });
});

describe('a host name of an instance', () => {
  const judge = (host: string, known: KnownHost | undefined) =>
    networkOf(views(all), { hosts: { known: () => known } }).judge(host);
  const at = (...addresses: string[]): KnownHost => ({ addresses, failure: '' });

  it('is the address that it has', () => {
    expect(judge('vm-1.example.com', at('192.168.1.12'))).toEqual({
      ...{ address: '192.168.1.12', family: 'IPv4', host: 'vm-1.example.com' },
    });
    expect(judge('vm_1.', at('FD00:0::1'))).toEqual({ address: 'fd00::1', family: 'IPv6', host: 'vm_1.' });
  });

  it('with several addresses is the first of those that can be', () => {
    const known = at('10.96.0.7', '127.0.0.1', '192.168.1.12', '192.168.1.13');
    expect(judge('vm-1', known)).toMatchObject({ address: '192.168.1.12' });
  });

  it.each<[string, string, KnownHost, string]>([
    [
      'leads to no address',
      'vm-1',
      { addresses: [], failure: 'there is no such name' },
      'vm-1 cannot be resolved: there is no such name',
    ],
    [
      'leads to one that cannot be',
      'vm-1',
      at('127.0.0.1'),
      'its host name vm-1: its address 127.0.0.1 is in 127.0.0.0/8 (loopback)',
    ],
    ['leads to a Service', 'redis.shop.svc.cluster.local', at('10.96.3.4'), 'gives to Services'],
  ])('that %s is refused', (_, host, known, reason) => {
    expect(judge(host, known)).toEqual({ host, refused: expect.stringContaining(reason) });
  });

  it('that is being looked up is neither', () => {
    expect(judge('vm-1', undefined)).toEqual({ pending: true, host: 'vm-1' });
  });

  it('that cannot be resolved any more stays where it was, with a doubt', () => {
    expect(judge('vm-1', { addresses: ['192.168.1.12'], failure: 'DNS did not answer' })).toEqual({
      ...{ address: '192.168.1.12', family: 'IPv4', host: 'vm-1' },
      doubt: 'its host name vm-1 cannot be resolved any more: DNS did not answer',
    });
  });

  it.each([
    '127.1',
    '0x7f.1',
    '017700000001',
    '2130706433',
    'a b',
    '10.20.0.1:80',
    '[fd00::1]',
    'http://x/',
    '-x',
    'x..y',
    'x'.repeat(64),
  ])('is not %j, which is never looked up', (text) => {
    const hosts: Hosts = {
      known: () => {
        throw new Error('looked up');
      },
    };
    expect(networkOf(views(all), { hosts }).judge(text)).toEqual({
      refused: expect.stringMatching(/^its address ".*" is neither an IP address nor a host name$/),
    });
  });
});

describe('the families of Services', () => {
  const api = (...clusterIPs: string[]) => service({ namespace: 'default', name: 'kubernetes', clusterIPs });

  it.each([
    [
      'IPv4',
      views({ services: [api('10.96.0.1')], serviceCIDRs: [serviceCIDR('kubernetes', '10.96.0.0/16')] }),
      ['IPv4'],
    ],
    [
      'IPv6 first',
      views({ services: [api('fd00::1')], serviceCIDRs: [serviceCIDR('kubernetes', 'fd00::/112', '10.96.0.0/16')] }),
      ['IPv6', 'IPv4'],
    ],
    ['what the API server has, where there are no ranges', views({ services: [api('fd00::1')] }), ['IPv6']],
    ['nothing known', views({}), []],
  ])('%s', (_, shown, families) => {
    expect(serviceFamilies(shown)).toEqual(families);
  });
});
