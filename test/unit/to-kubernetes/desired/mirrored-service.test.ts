import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import { instance, strings } from '../../builders.ts';
import { whyNoTraffic, type Network } from '../../../../src/to-kubernetes/desired/mirrored-service.ts';
import { mirrorOf, NETWORK } from '../mirrored.ts';

const at = (address: string, overrides: Partial<ServiceInstance> = {}) =>
  instance({ id: address, address, ...overrides });

describe('why an instance gets no traffic', () => {
  it.each<[Partial<ServiceInstance>, 'warning' | 'passing', string | undefined]>([
    [{ status: 'critical' }, 'warning', 'it is critical'],
    [{ status: 'warning' }, 'passing', 'it is warning'],
    [{ status: 'warning', weight: 0 }, 'warning', 'it is warning, and its weight is 0 then'],
    [{ status: 'warning' }, 'warning', undefined],
    [{}, 'passing', undefined],
  ])('%j with minHealth %s: %p', (overrides, minHealth, why) => {
    expect(whyNoTraffic(instance(overrides), { minHealth })).toBe(why);
  });
});

describe('what a mirrored service is like', () => {
  const critical = { status: 'critical' } as const;
  const ghosts = [at('10.20.0.1', critical), at('10.20.0.2', critical)];
  const secure = at('10.20.0.3', {
    port: 9443,
    meta: strings({ secure: 'true', 'consular-headless': 'true', 'consular-mode': 'istio' }),
  });

  it('is for its endpoints to say, however many others there are', () => {
    const { mirrored, voters } = mirrorOf([...ghosts, secure]);
    expect(mirrored).toMatchObject({ ports: [{ main: 9443, appProtocol: 'https' }], shape: { headless: true } });
    expect(voters).toEqual([secure]);
  });

  it('is for those to say that will be endpoints when their host name is known', () => {
    const pending = { pending: true, host: 'vm-1' } as const;
    const network = { ...NETWORK, judge: (text: string) => (text === 'vm-1' ? pending : NETWORK.judge(text)) };
    expect(mirrorOf([...ghosts, at('vm-1', { port: 9443 })], {}, undefined, network).mirrored).toMatchObject({
      ...{ ports: [{ main: 80, alias: 9443 }], isGuess: true },
    });
  });

  it('is for the others to say while there is none', () => {
    const { mirrored } = mirrorOf(ghosts);
    expect(mirrored).toMatchObject({ ports: [{ main: 80, alias: 8080 }], isGuess: true, endpoints: [] });
  });

  it('is not for an instance of weight 0, or at an address that no endpoint may have', () => {
    const none = [at('10.20.0.1', { weight: 0, port: 81 }), at('127.0.0.1', { port: 82 })];
    expect(mirrorOf([...none, at('10.20.0.3', { port: 9443 })]).mirrored.ports).toMatchObject([
      { main: 80, alias: 9443 },
    ]);
  });

  it('has the IP families of its endpoints', () => {
    const network: Network = { ...NETWORK, families: ['IPv4', 'IPv6'] };
    const shapeOf = (...instances: ServiceInstance[]) => mirrorOf(instances, {}, undefined, network).mirrored.shape;
    expect(shapeOf(at('fd00::1'), at('10.20.0.1', critical))).toMatchObject({ onlyFamily: 'IPv6', dualStack: false });
    expect(shapeOf(at('fd00::1', critical), at('10.20.0.1', critical))).toMatchObject({ dualStack: true });
  });
});

describe('the endpoints of a mirrored service', () => {
  it('are its instances, with address, family, port and zone', () => {
    const [one, two, three] = [
      at('10.20.0.1', { meta: strings({ zone: 'eu-1a' }) }),
      at('', { nodeAddress: '10.20.0.2', port: 81 }),
      at('FD00::1', { status: 'warning' }),
    ] as const;
    const { mirrored, refused } = mirrorOf([one, two, three]);
    expect(mirrored).toMatchObject({ consulService: 'Billing' });
    expect(mirrored.endpoints).toEqual([
      { address: '10.20.0.2', family: 'IPv4', port: 81, protocol: 'TCP', zone: '', host: '', instance: two },
      { address: '10.20.0.1', family: 'IPv4', port: 8080, protocol: 'TCP', zone: 'eu-1a', host: '', instance: one },
      { address: 'fd00::1', family: 'IPv6', port: 8080, protocol: 'TCP', zone: '', host: '', instance: three },
    ]);
    expect(refused).toEqual([]);
  });

  it('leave critical instances out, and say nothing of them', () => {
    expect(mirrorOf([instance({ status: 'critical' }), instance({ status: 'critical', address: 'x' })])).toMatchObject({
      mirrored: { endpoints: [] },
      refused: [],
    });
  });

  it('leave warning instances out too when only passing is healthy enough', () => {
    const [warning, passing] = [at('10.20.0.1', { status: 'warning' }), at('10.20.0.2')];
    const endpoints = (minHealth: 'warning' | 'passing') =>
      mirrorOf([warning, passing], { minHealth }).mirrored.endpoints.map(({ address }) => address);
    expect(endpoints('passing')).toEqual(['10.20.0.2']);
    expect(endpoints('warning')).toEqual(['10.20.0.1', '10.20.0.2']);
  });

  it('are two where one address and port has TCP and UDP', () => {
    const { endpoints } = mirrorOf([at('10.20.0.1'), at('10.20.0.1', { id: '10.20.0.1:udp' })]).mirrored;
    expect(endpoints.map(({ protocol }) => protocol)).toEqual(['TCP', 'UDP']);
  });

  it.each<[string, Partial<ServiceInstance>, boolean]>([
    ['a weight of 0 while warning', { status: 'warning', weight: 0 }, false],
    ['a weight of 1 while warning', { status: 'warning', weight: 1 }, true],
    ['a weight of 0 while passing', { status: 'passing', weight: 0 }, false],
  ])('with %s: %p', (_, overrides, isEndpoint) => {
    const { mirrored, refused } = mirrorOf([instance(overrides)]);
    expect([mirrored.endpoints.length, refused]).toEqual([isEndpoint ? 1 : 0, []]);
  });

  it('are one for instances at the same address and port, in any notation', () => {
    const same = [at('10.20.0.1'), at('::ffff:10.20.0.1'), at('10.20.0.1', { id: 'ghost', status: 'critical' })];
    expect(mirrorOf(same).mirrored.endpoints).toHaveLength(1);
  });

  it.each<[string, Partial<ServiceInstance>, string]>([
    ['no IP address', { address: 'vm 1' }, 'not an IP address'],
    ['loopback', { address: '127.0.0.1' }, 'loopback'],
    ['the API server', { address: '10.96.0.1' }, 'API server'],
    ['no address', { address: '', nodeAddress: '' }, 'no address'],
    ['no port', { port: 0 }, 'its port is 0'],
    ['a port beyond the last', { port: 65_536 }, 'its port is 65536'],
    ['half a port', { port: 80.5 }, 'its port is 80.5'],
  ])('refuse an instance with %s, and that one alone', (_, overrides, reason) => {
    const { mirrored, refused } = mirrorOf([instance({ id: 'bad', ...overrides }), instance({ id: 'good' })]);
    expect(refused).toEqual([{ instance: 'vm-1/bad', reason: expect.stringContaining(reason) }]);
    expect(mirrored.endpoints).toHaveLength(1);
  });

  it('have the tags of all of them, well or not, each once and in order', () => {
    const tagged = (id: string, status: 'passing' | 'critical', ...tags: string[]) => instance({ id, status, tags });
    expect(mirrorOf([tagged('a', 'passing', 'v2', 'b'), tagged('b', 'critical', 'a', 'b')]).mirrored.tags).toEqual([
      ...['a', 'b', 'v2'],
    ]);
    expect(mirrorOf([]).mirrored.tags).toEqual([]);
  });

  it('name the Consul nodes that have the same one, where these are several and it is one', () => {
    const at = (node: string, id: string, address = '172.17.0.2', more: Parameters<typeof instance>[0] = {}) =>
      instance({ node, id, address, ...more });
    const { mirrored, repeated, refused } = mirrorOf([
      ...[at('vm-2', 'a'), at('vm-1', 'a'), at('vm-3', 'b'), at('vm-4', 'a', undefined, { status: 'critical' })],
      ...[at('vm-1', 'ghost', '172.17.0.3'), at('vm-1', 'live', '172.17.0.3')],
    ]);
    expect(mirrored.endpoints).toHaveLength(2);
    expect([repeated, refused]).toEqual([[{ address: '172.17.0.2', port: 8080, nodes: ['vm-1', 'vm-2', 'vm-3'] }], []]);
  });

  it('leave out an instance whose host name is being looked up, and say nothing of it', () => {
    const pending = { pending: true, host: 'vm-1' } as const;
    const network = { ...NETWORK, judge: (text: string) => (text === 'vm-1' ? pending : NETWORK.judge(text)) };
    const { mirrored, refused, hosts } = mirrorOf([at('vm-1'), at('10.20.0.2')], {}, undefined, network);
    expect([...hosts]).toEqual(['vm-1']);
    expect(mirrored.endpoints.map(({ address }) => address)).toEqual(['10.20.0.2']);
    expect(refused).toEqual([]);
  });

  it('stay at the last address of a host name that cannot be resolved any more, and say so', () => {
    const located = { address: '10.20.0.9', family: 'IPv4', host: 'vm-1', doubt: 'DNS is away' } as const;
    const network = { ...NETWORK, judge: () => located };
    const { mirrored, refused, doubtful } = mirrorOf([at('vm-1')], {}, undefined, network);
    expect(mirrored.endpoints).toMatchObject([{ address: '10.20.0.9', host: 'vm-1' }]);
    expect([refused, doubtful]).toEqual([[], [{ instance: 'vm-1/vm-1', reason: 'DNS is away' }]]);
  });

  it.each(['-', 'a b', 'x'.repeat(64), 'a/b', 'zone-'])(
    'have no zone when it is %j, which is no label value',
    (zone) => {
      expect(mirrorOf([instance({ meta: strings({ zone }) })]).mirrored.endpoints[0]?.zone).toBe('');
    },
  );

  it('are the same in whatever order Consul tells them', () => {
    const anyInstance = fc
      .record({
        id: fc.constantFrom('a', 'b', 'c', 'd'),
        node: fc.constantFrom('vm-1', 'vm-2'),
        address: fc.constantFrom('10.20.0.1', '10.20.0.2'),
        port: fc.constantFrom(80, 81),
        zone: fc.constantFrom('', 'eu-1a', 'eu-1b'),
        protocol: fc.constantFrom('http', 'grpc'),
      })
      .map(({ zone, protocol, ...rest }) => instance({ ...rest, meta: strings({ zone, protocol }) }));
    const identity = ({ node, id }: ServiceInstance) => `${node}/${id}`;
    fc.assert(
      fc.property(
        fc
          .uniqueArray(anyInstance, { selector: identity, maxLength: 8 })
          .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, shuffled]) => {
          expect(mirrorOf(shuffled)).toEqual(mirrorOf(all));
        },
      ),
    );
  });
});
