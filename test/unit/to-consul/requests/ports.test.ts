import { describe, expect, it } from '@jest/globals';
import type { ContainerPort, Pod } from '../../../../src/kubernetes/objects.ts';
import { desiredRegistrations } from '../../../../src/to-consul/desired/desired-registrations.ts';
import type { AnnotatedService } from '../../../../src/to-consul/requests/requests.ts';
import {
  annotations,
  container,
  endpointPort,
  owner,
  pod,
  service,
  servicePort,
  slice,
  toConsulConfig,
} from '../../builders.ts';

/** Several services per pod, and what is said for one port. */

const HTTP: ContainerPort = { name: 'http', port: 8080, protocol: 'TCP' };
const GRPC: ContainerPort = { name: 'grpc', port: 9090, protocol: 'TCP' };
const DNS_UDP: ContainerPort = { name: 'dns', port: 53, protocol: 'UDP' };
const DNS_TCP: ContainerPort = { name: 'dns-tcp', port: 53, protocol: 'TCP' };
const SCTP: ContainerPort = { name: 'diameter', port: 3868, protocol: 'SCTP' };

interface Given extends Partial<Pod> {
  readonly text?: Readonly<Record<string, string>>;
  readonly ports?: readonly ContainerPort[];
  readonly services?: readonly AnnotatedService[];
}

function desired({ text = {}, ports = [HTTP, GRPC], services = [], ...overrides }: Given) {
  const { registrations, rejections, ofServices } = desiredRegistrations(owner, toConsulConfig(), {
    pod: pod({ annotations: annotations(text), containers: [container({ ports })], ...overrides }),
    services,
    zone: '',
    nodeAddress: '192.168.1.11',
  });
  return { registrations: [...registrations.values()], rejections, ofServices };
}

const shown = (given: Given) =>
  desired(given)
    .registrations.map(({ id, tags, meta }) =>
      [id.slice(id.indexOf(':') + 1), tags.join('+'), meta.get('team') ?? ''].filter(Boolean).join(' '),
    )
    .sort();
const complaints = (given: Given) => {
  const { registrations, rejections } = desired(given);
  expect(registrations).toEqual([]);
  return rejections.map(({ reason, message }) => `${reason}: ${message}`);
};

describe('a pod with names for its ports', () => {
  it.each<[string, Readonly<Record<string, string>>, string[]]>([
    ['one by name', { 'service-name.grpc': 'api' }, ['api:9090']],
    ['one by number', { 'service-name.9090': 'api' }, ['api:9090']],
    ['one by a number that is not declared', { 'service-name.7000': 'api' }, ['api:7000']],
    ['several', { 'service-name.http': 'web', 'service-name.grpc': 'api' }, ['api:9090', 'web:8080']],
    ['one beside the main one', { 'service-name': 'web', 'service-name.grpc': 'api' }, ['api:9090', 'web:8080']],
    ['two names for one port', { 'service-name': 'web', 'service-name.http': 'www' }, ['web:8080', 'www:8080']],
    ['one name for two ports', { 'service-name': 'web', 'service-name.grpc': 'web' }, ['web:8080', 'web:9090']],
    ['the same twice', { 'service-name': 'web', 'service-name.http': 'web' }, ['web:8080']],
  ])('%s', (_, text, expected) => {
    expect(shown({ text })).toEqual(expected);
  });

  it('is switched off as a whole', () => {
    expect(shown({ text: { 'service-name.http': 'web', 'service-sync': 'false' } })).toEqual([]);
  });

  it('has room for 512 of them, and with one more is registered under none', () => {
    const names = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`service-name.${7000 + i}`, `s-${i}`]));
    expect(shown({ text: names(512) })).toHaveLength(512);
    expect(complaints({ text: names(513) })).toEqual([
      'InvalidAnnotation: service-name.<port>: expected at most 512 names, found 513',
    ]);
  });

  it('registers UDP and TCP of one number apart', () => {
    const text = { 'service-name.dns': 'dns', 'service-name.dns-tcp': 'dns' };
    expect(shown({ text, ports: [DNS_UDP, DNS_TCP] })).toEqual(['dns:53', 'dns:53:udp']);
  });
});

describe('settings for one port', () => {
  const all = {
    'service-name.http': 'web',
    'service-name.grpc': 'api',
    'service-tags': 'all',
    'service-meta-team': 'a',
  };

  it.each<[string, Readonly<Record<string, string>>, string[]]>([
    ['nothing more', {}, ['api:9090 all a', 'web:8080 all a']],
    ['tags replace', { 'service-tags.grpc': 'h2' }, ['api:9090 h2 a', 'web:8080 all a']],
    ['no tags at all', { 'service-tags.grpc': '' }, ['api:9090 a', 'web:8080 all a']],
    ['meta is added', { 'service-meta-team.grpc': 'b' }, ['api:9090 all b', 'web:8080 all a']],
    ['by number', { 'service-tags.9090': 'h2' }, ['api:9090 h2 a', 'web:8080 all a']],
    [
      'by name over by number',
      { 'service-tags.9090': 'no', 'service-tags.grpc': 'h2' },
      ['api:9090 h2 a', 'web:8080 all a'],
    ],
    ['of a port that nobody asked for', { 'service-tags.7000': 'x' }, ['api:9090 all a', 'web:8080 all a']],
  ])('%s', (_, text, expected) => {
    expect(shown({ text: { ...all, ...text } })).toEqual(expected);
  });

  it('hold for the main service too, when it is on that port', () => {
    expect(shown({ text: { 'service-name': 'web', 'service-tags.http': 'h1' } })).toEqual(['web:8080 h1']);
  });
});

describe('a port that cannot be', () => {
  it.each<[string, Readonly<Record<string, string>>, string]>([
    [
      'a name that is not declared',
      { 'service-name.htpp': 'web' },
      'InvalidPort: annotation "consular.dev/service-name.htpp": expected the name or number of a port of the pod after the dot, found "htpp"',
    ],
    [
      'settings for such a name',
      { 'service-name': 'web', 'service-tags.htpp': 'x' },
      'InvalidPort: annotation "consular.dev/service-tags.htpp": expected',
    ],
    [
      'several of them',
      Object.fromEntries(
        ['service-name', 'service-tags', 'service-meta-a', 'service-meta-b'].map((key) => [`${key}.htpp`, 'x']),
      ),
      'annotations "consular.dev/service-name.htpp", "consular.dev/service-tags.htpp", "consular.dev/service-meta-a.htpp" and 1 more: expected',
    ],
    [
      'a key of meta with a dot, which is no port',
      { 'service-name': 'web', 'service-meta-management.port': '9053' },
      'InvalidPort: annotation "consular.dev/service-meta-management.port": expected the name or number of a port of the pod after the dot, found "port"; keys of meta have no dots in Consul',
    ],
    [
      'a number beyond the last',
      { 'service-name.65536': 'web' },
      'InvalidAnnotation: annotation "consular.dev/service-name.65536"',
    ],
    [
      'the same in service-port',
      { 'service-name': 'web', 'service-port': '65536' },
      'InvalidPort: port: expected 1 to',
    ],
    ['zero', { 'service-name.0': 'web' }, 'InvalidAnnotation: annotation "consular.dev/service-name.0"'],
    [
      'a number in another spelling',
      { 'service-name.08080': 'web' },
      'InvalidAnnotation: annotation "consular.dev/service-name.08080"',
    ],
    ['SCTP', { 'service-name.diameter': 'web' }, 'InvalidPort: port: expected a TCP or UDP port'],
  ])('%s', (_, text, complaint) => {
    const [first = ''] = complaints({ text, ports: [HTTP, SCTP] });
    expect(first).toContain(complaint);
  });
});

describe('a Service with names for its ports', () => {
  const ports = [servicePort(), servicePort({ name: 'grpc', port: 90, targetPort: 'grpc' })];
  const source = (text: Readonly<Record<string, string>>): AnnotatedService => ({
    service: service({ annotations: annotations(text), ports }),
    slices: [slice({ ports: [endpointPort(), endpointPort({ name: 'grpc', port: 9090 })] })],
  });

  it.each<[string, Readonly<Record<string, string>>, string[]]>([
    ['one by name', { 'service-name.grpc': 'api' }, ['api:9090']],
    ['one by number', { 'service-name.90': 'api' }, ['api:9090']],
    ['one beside its own name', { 'service-sync': 'true', 'service-name.grpc': 'api' }, ['api:9090', 'orders:8080']],
    [
      'tags for one',
      { 'service-name': 'web', 'service-name.grpc': 'api', 'service-tags.grpc': 'h2' },
      ['api:9090 h2', 'web:8080'],
    ],
  ])('%s', (_, text, expected) => {
    expect(shown({ services: [source(text)] })).toEqual(expected);
  });

  it('is rejected for a port that it does not have, and not the pod', () => {
    for (const port of ['7000', 'x']) {
      const { registrations, rejections, ofServices } = desired({
        services: [source({ [`service-name.${port}`]: 'api' })],
      });
      expect([registrations, rejections]).toEqual([[], []]);
      expect(ofServices.map(({ rejection }) => rejection.message)).toEqual([
        `Service shop/orders: annotation "consular.dev/service-name.${port}": expected the name or number of a port of the Service after the dot, found "${port}"`,
      ]);
    }
  });

  it("loses to the pod's own settings for the container port", () => {
    const text = { 'service-tags.grpc': 'pod', 'service-meta-team.9090': 'pod' };
    const services = [source({ 'service-name': 'web', 'service-name.grpc': 'api', 'service-tags': 'service' })];
    expect(shown({ text, services })).toEqual(['api:9090 pod pod', 'web:8080 service']);
  });
});
