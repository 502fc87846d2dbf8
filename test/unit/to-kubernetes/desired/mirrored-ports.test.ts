import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import type { Service, ServicePort } from '../../../../src/kubernetes/objects.ts';
import {
  namedPorts,
  portChoice,
  type MirroredPorts,
  type PortsConfig,
} from '../../../../src/to-kubernetes/desired/mirrored-ports.ts';
import { instance, service, servicePort, strings } from '../../builders.ts';
import { mirrorOf, tcpPorts, type ObservedPorts } from '../mirrored.ts';

const udp = (main: number, alias?: number): MirroredPorts => ({ ...tcpPorts(main, alias), protocol: 'UDP' });
const secure = (overrides: Partial<ServiceInstance> = {}) =>
  instance({ meta: strings({ secure: 'true' }), ...overrides });

describe('the ports of a mirrored service', () => {
  const on = (...ports: number[]) => ports.map((port, i) => instance({ id: `i${i}`, port }));

  it.each<[string, ServiceInstance[], Partial<PortsConfig>, ObservedPorts | undefined, object]>([
    ['new', on(8080), {}, undefined, { main: 80, alias: 8080 }],
    ['new, with another port in the settings', on(8080), { port: 8000 }, undefined, { main: 8000, alias: 8080 }],
    ['new, most instances secure', [secure(), secure(), instance()], {}, undefined, { main: 443, alias: 8080 }],
    ['new, half of them secure', [secure(), instance()], {}, undefined, { main: 80, alias: 8080 }],
    ['new, with nothing in it', [], {}, undefined, { main: 80, alias: undefined }],
    ['new, alias off', on(8080), { aliasPort: false }, undefined, { main: 80, alias: undefined }],
    ['new, where the alias would be the port itself', on(80), {}, undefined, { main: 80, alias: undefined }],
    ['new, several ports: the one of most', on(81, 82, 82), {}, undefined, { main: 80, alias: 82 }],
    ['new, a draw: the smallest', on(9, 10, 100), {}, undefined, { main: 80, alias: 9 }],
    ['new, ports that are none do not count', on(0, 0, 70_000, 81), {}, undefined, { main: 80, alias: 81 }],
    [
      'present: 443 stays when nobody is secure any more',
      on(8080),
      {},
      { main: 443, alias: 8080 },
      { main: 443, alias: 8080 },
    ],
    ['present: 80 stays when all become secure', [secure()], {}, { main: 80, alias: 8080 }, { main: 80, alias: 8080 }],
    [
      'present: the alias stays when the instances move',
      on(9090),
      {},
      { main: 80, alias: 8080 },
      { main: 80, alias: 8080 },
    ],
    ['present: the alias stays when no instance is left', [], {}, { main: 80, alias: 8080 }, { main: 80, alias: 8080 }],
    ['present without alias: it comes', on(8080), {}, { main: 80 }, { main: 80, alias: 8080 }],
    [
      'present: alias switched off',
      on(8080),
      { aliasPort: false },
      { main: 80, alias: 8080 },
      { main: 80, alias: undefined },
    ],
    ['present: the setting changed', on(8080), { port: 8000 }, { main: 80, alias: 8080 }, { main: 8000, alias: 8080 }],
    [
      'present: the setting became the alias',
      on(8080),
      { port: 8080 },
      { main: 80, alias: 8080 },
      { main: 8080, alias: undefined },
    ],
    ['present: without any of our ports', on(8080), {}, {}, { main: 80, alias: 8080 }],
  ])('%s', (_, foreign, config, present, ports) => {
    expect(mirrorOf(foreign, config, present).mirrored.ports).toMatchObject([ports]);
  });
});

describe('the ports of a mirrored service that speaks UDP', () => {
  const tcp = instance({ id: 'dns-1', port: 5353 });
  const datagram = instance({ id: 'dns-1:udp', port: 5354 });
  const ill = { status: 'critical' } as const;
  const present = (choice: string) => service({ annotations: strings({ 'consular.dev/port-choice': choice }) });
  const [ofTcp, ofUdp] = [
    { protocol: 'TCP', main: 80, alias: 5353 },
    { protocol: 'UDP', main: 80, alias: 5354 },
  ];

  it.each<[string, ServiceInstance[], Service | undefined, object[]]>([
    ['are UDP ports only', [datagram], undefined, [ofUdp]],
    ['are beside those of TCP where it speaks both', [datagram, tcp], undefined, [ofTcp, ofUdp]],
    ['are not those of a critical instance of TCP', [datagram, { ...tcp, ...ill }], undefined, [ofUdp]],
    [
      'stay while their instance is critical',
      [{ ...datagram, ...ill }, tcp],
      present('80,5353 udp:80,5354'),
      [ofTcp, ofUdp],
    ],
    ['go with their last instance', [tcp], present('80,5353 udp:80,5354'), [ofTcp]],
    ['take the place of those that another version chose', [datagram], present('80,5354'), [ofUdp]],
    ['keep their numbers', [{ ...datagram, port: 9 }], present('udp:80,5354'), [ofUdp]],
  ])('%s', (_, instances, observed, ports) => {
    expect(mirrorOf(instances, {}, observed).mirrored.ports).toMatchObject(ports);
    expect(mirrorOf(instances, {}, observed).mirrored.ports).toHaveLength(ports.length);
  });

  it('are no 443, and say no appProtocol that only repeats the protocol, or is that of TCP', () => {
    const said = (meta: Readonly<Record<string, string>>) =>
      mirrorOf([instance({ tags: ['udp'], meta: strings({ secure: 'true', ...meta }) })]).mirrored.ports;
    expect(said({})).toMatchObject([{ main: 80, appProtocol: '' }]);
    expect(said({ protocol: 'UDP' })).toMatchObject([{ appProtocol: '' }]);
    expect(said({ protocol: 'quic' })).toMatchObject([{ appProtocol: 'quic' }]);
  });

  it('have names of their own', () => {
    expect(namedPorts([tcpPorts(80, 5353), udp(80, 5354)]).map(({ name, number }) => `${name} ${number}`)).toEqual([
      ...['main 80', 'alias 5353', 'main-udp 80', 'alias-udp 5354'],
    ]);
  });
});

describe('the ports that were chosen', () => {
  const edited = (choice: string | undefined) =>
    service({
      ports: [servicePort({ name: 'main', port: 443 }), servicePort({ name: 'alias', port: 1 })],
      annotations: strings(choice === undefined ? {} : { 'consular.dev/port-choice': choice }),
    });

  it.each([
    ['count for more than those that somebody edited', '80,9098', { main: 80, alias: 9098 }],
    ['are those of the Service where nothing is remembered', undefined, { main: 443, alias: 1 }],
    ['are those of the Service where what is remembered makes no sense', '80,99999', { main: 443, alias: 1 }],
    ['are those of the Service where what is remembered is no choice', 'main', { main: 443, alias: 1 }],
    ['may have been without an alias: it comes', '80', { main: 80, alias: 8080 }],
  ])('%s', (_, choice, ports) => {
    expect(mirrorOf([instance()], {}, edited(choice)).mirrored.ports).toMatchObject([ports]);
  });

  it.each<[MirroredPorts[], string]>([
    [[tcpPorts(80)], '80'],
    [[tcpPorts(443, 9098)], '443,9098'],
    [[udp(80, 8125)], 'udp:80,8125'],
    [[tcpPorts(80, 8080), udp(80)], '80,8080 udp:80'],
  ])('%j are remembered as %s', (ports, text) => {
    expect(portChoice(ports, false)).toBe(text);
    const present = service({ ports: [], annotations: strings({ 'consular.dev/port-choice': text }) });
    const numbers = ports.map(({ protocol, main, alias }) => ({ protocol, main, alias }));
    expect(mirrorOf([], {}, present).mirrored.ports).toMatchObject(numbers);
  });
});

describe('ports that were chosen without an endpoint', () => {
  const guessed = service({ annotations: strings({ 'consular.dev/port-choice': '80,8081?' }) });
  const known = service({ annotations: strings({ 'consular.dev/port-choice': '80,8081' }) });
  const ghost = instance({ port: 8082, status: 'critical' });
  const secured = secure({ port: 9443 });

  it.each<[string, ServiceInstance[], Service, object]>([
    [
      'are chosen anew with the first endpoint',
      [secured, ghost],
      guessed,
      { ports: [{ main: 443, alias: 9443 }], isGuess: false },
    ],
    ['stay while there is none', [ghost], guessed, { ports: [{ main: 80, alias: 8081 }], isGuess: true }],
    [
      'are not what others are: these stay with other endpoints',
      [secured],
      known,
      { ports: [{ main: 80, alias: 8081 }], isGuess: false },
    ],
    [
      'nor are these when the last endpoint goes',
      [ghost],
      known,
      { ports: [{ main: 80, alias: 8081 }], isGuess: false },
    ],
  ])('%s', (_, instances, observed, expected) => {
    expect(mirrorOf(instances, {}, observed).mirrored).toMatchObject(expected);
  });

  it('are remembered with a question mark', () => {
    expect(portChoice([tcpPorts(80, 8081)], true)).toBe('80,8081?');
    expect(portChoice([tcpPorts(80)], true)).toBe('80?');
  });
});

describe('the port of a headless Service', () => {
  const on = (...ports: number[]) => ports.map((port, i) => instance({ id: `i${i}`, port }));
  const headless = (ports: ServicePort[]) => service({ clusterIPs: ['None'], ports });

  it.each<[string, ServiceInstance[], Service | undefined, number]>([
    ['new: the one of most', on(9098, 9099, 9098), undefined, 9098],
    ['new, with nothing in it: the setting', [], undefined, 80],
    ['present: it stays', on(9098), headless([servicePort({ name: 'main', port: 9000 })]), 9000],
  ])('%s', (_, foreign, present, main) => {
    const { ports } = mirrorOf(foreign, { headless: ['bill*'] }, present).mirrored;
    expect(ports).toMatchObject([{ main, alias: undefined }]);
  });
});

describe('appProtocol', () => {
  const protocolOf = (...said: { meta?: Record<string, string>; tags?: string[] }[]) =>
    mirrorOf(said.map(({ meta = {}, tags = [] }, i) => instance({ id: `i${i}`, meta: strings(meta), tags }))).mirrored
      .ports[0]?.appProtocol;

  it.each([
    ['nothing', {}, ''],
    ['meta protocol', { meta: { protocol: 'grpc', secure: 'true' }, tags: ['protocol=tcp'] }, 'grpc'],
    ['a tag', { meta: { secure: 'true' }, tags: ['v1', 'protocol=tcp'] }, 'tcp'],
    ['secure in the meta', { meta: { secure: 'true' } }, 'https'],
    ['not secure in the meta', { meta: { secure: 'false' }, tags: ['secure=true'] }, 'http'],
    ['secure in a tag', { tags: ['secure=true'] }, 'https'],
    ['not secure in a tag', { tags: ['secure=false'] }, 'http'],
    ['secure: maybe', { meta: { secure: 'maybe' } }, ''],
    ['a protocol with a domain', { meta: { protocol: 'kubernetes.io/h2c' } }, 'kubernetes.io/h2c'],
    ['a protocol with a domain of one label', { meta: { protocol: 'x/h2c' } }, 'x/h2c'],
    ['an empty protocol, and secure', { meta: { protocol: '', secure: 'true' } }, 'https'],
  ])('from %s', (_, said, protocol) => {
    expect(protocolOf(said)).toBe(protocol);
  });

  it.each([
    'a b',
    '-x',
    'x-',
    '/x',
    'x/',
    'a/b/c',
    'x'.repeat(64),
    '-/x',
    './x',
    'a..b/x',
    'a-/x',
    'A.b/x',
    `${'a'.repeat(254)}/x`,
  ])('is not %j, which the API server would refuse with the whole Service', (protocol) => {
    expect(protocolOf({ meta: { protocol } })).toBe('');
    expect(protocolOf({ meta: { protocol, secure: 'false' } })).toBe('http');
  });

  it('is what most instances say, of those that say anything', () => {
    const [grpc, http, silent] = [{ meta: { protocol: 'grpc' } }, { meta: { secure: 'false' } }, {}];
    expect(protocolOf(grpc, http, grpc, silent, silent, silent)).toBe('grpc');
    expect(protocolOf(http, grpc)).toBe('grpc');
  });
});
