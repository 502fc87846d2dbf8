import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContainerPort } from '../../../../src/kubernetes/objects.ts';
import {
  isRegistratorVariable,
  registratorServices,
  type RegistratorService,
} from '../../../../src/to-consul/requests/registrator.ts';
import { container, pod, strings } from '../../builders.ts';
import { environment, given, names, ports, read, type Options } from './registrator-pods.ts';

/** What is expected of the first service, beside its name and port. */
type First = Partial<Omit<RegistratorService, 'meta'>> & { readonly meta?: Readonly<Record<string, string>> };

describe('like registrator', () => {
  it.each<[number, string, string, string[], First & Options]>([
    [1, '8080', 'NAME=web', ['web 8080'], { tags: [], hasChecks: false }],
    [2, '8080,9090', 'NAME=web', ['web-8080 8080', 'web-9090 9090'], {}],
    [3, '8080,9090', 'NAME=web; 8080_NAME=api', ['api 8080', 'web-9090 9090'], {}],
    [4, '8080,9090', 'NAME=api; 9090_IGNORE=1', ['api-8080 8080'], {}],
    [5, '8080,9090', '8080_NAME=api', ['api 8080'], { explicit: true }],
    [6, '8080', 'NAME=web; IGNORE=false', [], {}],
    [7, '8080', 'NAME=web; TAGS=a,b\\,c', ['web 8080'], { tags: ['a', 'b,c'] }],
    [8, '8080', 'NAME=web; TAGS=x; 8080_TAGS=y', ['web 8080'], { tags: ['y'] }],
    [9, '8080', 'NAME=web; CHECK_HTTP=/h; 8080_CHECK_INTERVAL=15s', ['web 8080'], { hasChecks: true }],
    [10, '8080', 'NAME=web; CHECK_TCP=false', ['web 8080'], { hasChecks: true }],
    [11, '8080', 'NAME=web; 8080_CHECK_GRPC=1', ['web 8080'], { hasChecks: true }],
    [12, '8080', 'NAME=web; 9090_CHECK_HTTP=/h', ['web 8080'], { hasChecks: false }],
    [13, '53/udp', 'NAME=dns; TAGS=x', ['dns 53/udp'], { tags: ['x', 'udp'] }],
    [14, '8080', 'NAME=web; REGION=us; 8080_REGION=eu', ['web 8080'], { meta: { region: 'eu' } }],
    [15, '8080', 'NAME=web; 9090_TAGS=z', ['web 8080'], { tags: [] }],
    [16, '8080', 'service_name=web', ['orders 8080'], {}],
  ])('vector %i: ports %s, %s', (_, listed, env, services, expected) => {
    const { meta, explicit = false, ...rest } = expected;
    const result = read(listed, env, { explicit });
    expect(names(result.services)).toEqual(services);
    if (services.length > 0) expect(result.services[0]).toMatchObject({ ...rest, meta: strings(meta) });
    expect(result).toMatchObject({ rejections: [], warnings: [] });
  });
});

describe('keys', () => {
  it.each<[string, string, string, string[]]>([
    ['are read in any case', '8080', 'Name=web; 8080_nAmE=api', ['api 8080']],
    ['count in the order of the manifest', '8080', 'NAME=web; name=api', ['api 8080']],
    ['of one port win in any order', '8080', '8080_NAME=api; NAME=web', ['api 8080']],
    ['that repeat count once, the last', '8080', 'NAME=web; NAME=api', ['api 8080']],
    ['compare a port as text', '8080', 'NAME=web; 08080_NAME=api; +8080_NAME=api', ['web 8080']],
    ['are shared by tcp and udp of a number', '53,53/udp', '53_NAME=dns', ['dns 53', 'dns 53/udp']],
    ['count tcp and udp of a number as two', '53,53/udp', 'NAME=dns', ['dns-53 53', 'dns-53 53/udp']],
    ['ignore one port', '8080,9090', '8080_NAME=a; 9090_NAME=b; 9090_IGNORE=no', ['a 8080']],
    ['ignore all ports', '8080,9090', '8080_NAME=a; 9090_NAME=b; IGNORE=0', []],
    ['ignore all ports but one', '8080,9090', 'NAME=a; IGNORE=1; 9090_IGNORE=', ['a-9090 9090']],
  ])('%s', (_, listed, env, services) => {
    expect(names(read(listed, env).services)).toEqual(services);
  });

  it('that are a bare number are meta of all ports', () => {
    const { services } = read('8080,9090', 'NAME=web; 8080=x');
    expect(services.map(({ meta }) => meta)).toEqual([strings({ 8080: 'x' }), strings({ 8080: 'x' })]);
  });

  it('that are unknown are meta in lower case, without those of checks', () => {
    const { services } = read('8080', 'NAME=web; Region=us; __PROTO__=x; CHECK_HTTP=/h; CHECK_X=y; TAGS=a; 8080_A_B=c');
    expect(services[0]?.meta).toEqual(strings({ region: 'us', ['__proto__']: 'x', a_b: 'c' }));
  });

  it('that look like a prefix are not one', () => {
    expect(
      ['SERVICE_NAME', 'SERVICE_', 'service_name', 'MY_SERVICE_NAME', 'SERVICE'].map(isRegistratorVariable),
    ).toEqual([true, true, false, false, false]);
  });

  it.each([
    ['a,b', ['a', 'b']],
    [',a,,b,', ['a', 'b']],
    ['a, b', ['a', ' b']],
    ['a,a', ['a']],
    ['\\,', [',']],
    ['a\\,b\\,c,d', ['a,b,c', 'd']],
    ['a\\b', ['a\\b']],
  ])('TAGS=%j are %j', (value, expected) => {
    expect(read('8080', `NAME=web; TAGS=${value}`).services[0]?.tags).toEqual(expected);
  });
});

describe('a port without a name', () => {
  it.each([
    ['orders', 'orders'],
    ['orders:1.4', 'orders'],
    ['registry.example:5000/shop/orders', 'orders'],
    ['registry.example:5000/shop/orders:1.4', 'orders'],
    ['orders@sha256:0123', 'orders'],
    ['shop/orders:1.4@sha256:0123', 'orders'],
    ['', ''],
  ])('has that of image %j: %j', (image, expected) => {
    expect(names(read('8080', '', { image }).services)).toEqual([`${expected} 8080`]);
  });

  it('has that of the image and its number, of several', () => {
    expect(names(read('8080,9090', '').services)).toEqual(['orders-8080 8080', 'orders-9090 9090']);
  });

  it('is left out when names are explicit', () => {
    expect(read('8080,9090', 'REGION=eu', { explicit: true })).toEqual({ services: [], rejections: [], warnings: [] });
    expect(names(read('8080,9090', 'NAME=web', { explicit: true }).services)).toEqual([
      'web-8080 8080',
      'web-9090 9090',
    ]);
  });
});

describe('ports that the container does not list', () => {
  it.each<[string, string, string, string[]]>([
    ['are those with a name', '', '8080_NAME=api; 9090_NAME=admin', ['api 8080', 'admin 9090']],
    ['are those with any key where none is listed', '', 'NAME=web; 8080_CHECK_HTTP=/h', ['web 8080']],
    ['count beside listed ones when they have a name', '8080', 'NAME=web; 9090_NAME=b', ['web-8080 8080', 'b 9090']],
    ['count beside listed ones when they are ignored', '8080', 'NAME=web; 9090_IGNORE=1', ['web-8080 8080']],
    ['do not count beside listed ones for another key', '8080', 'NAME=web; 9090_REGION=eu', ['web 8080']],
    ['are not what is no number', '', 'HTTP_NAME=web; -80_NAME=web; 0_NAME=web; 1e3_NAME=web', []],
  ])('%s', (_, listed, env, services) => {
    expect(names(read(listed, env, { explicit: true }).services)).toEqual(services);
  });

  it('are out of range where the variable is, for the validation to say', () => {
    expect(names(read('', '99999_NAME=web').services)).toEqual(['web 99999']);
  });
});

describe('containers', () => {
  it('know nothing of each other', () => {
    const { services } = registratorServices(
      given(
        { name: 'app', ports: ports('8080'), env: environment('NAME=web; TAGS=x; 9090_NAME=no') },
        { name: 'metrics', ports: ports('9090'), env: environment('NAME=web; 8080_TAGS=y') },
        { name: 'proxy', ports: ports('15090'), env: [] },
      ),
      { explicit: true },
    );
    expect(names(services)).toEqual(['web-8080 8080', 'no 9090', 'web 9090']);
    expect(services.map(({ tags }) => tags)).toEqual([['x'], ['x'], []]);
  });
});

it('never throws, and registers no port that it was not given', () => {
  const number = fc.integer({ min: 1, max: 65_535 });
  const name = fc.oneof(
    fc.constantFrom('SERVICE_NAME', 'SERVICE_TAGS', 'SERVICE_IGNORE', 'SERVICE_ID', 'SERVICE_', 'SERVICE_8080_'),
    fc
      .tuple(fc.oneof(number, fc.string()), fc.constantFrom('NAME', 'IGNORE', 'TAGS', 'CHECK_HTTP'))
      .map(([port, key]) => `SERVICE_${port}_${key}`),
    fc.string(),
  );
  const value = fc.oneof(fc.string(), fc.stringMatching(/^[$(),\\A-Z_]{0,10}$/));
  const env = fc.array(
    fc.record({ name, value, fieldPath: fc.constantFrom(undefined, '', 'status.podIP', '__proto__') }),
  );
  const listed = fc.array(
    fc.record({
      name: fc.string(),
      port: number,
      protocol: fc.constantFrom<ContainerPort['protocol']>('TCP', 'UDP', 'SCTP'),
    }),
  );
  const containers = fc.array(fc.record({ name: fc.string(), image: fc.string(), ports: listed, env }).map(container), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(
      containers,
      fc.boolean(),
      fc.constantFrom<string[]>([], ['10.1.2.3']),
      (containers, explicit, podIPs) => {
        const { services } = registratorServices(pod({ containers, podIPs }), { explicit });
        const known = containers.flatMap(({ ports, env }) => [
          ...ports.map(({ port }) => port),
          ...env.map(({ name }) => Number(/^SERVICE_([1-9][0-9]*)_/.exec(name)?.[1])),
        ]);
        expect(services.filter(({ port }) => !known.includes(port))).toEqual([]);
      },
    ),
  );
});

describe('an empty value', () => {
  it.each([
    ['of TAGS is none', 'NAME=web; TAGS=', ['web 8080']],
    ['of nothing but blanks, too', 'NAME=web; TAGS= \n', ['web 8080']],
    ['of NAME leaves the port to the name of the image', 'NAME=', ['orders 8080']],
    ['of NAME for one port does so for that one', 'NAME=web; 8080_NAME=', ['orders 8080']],
    ['of IGNORE ignores nothing', 'NAME=web; IGNORE=', ['web 8080']],
    ['of ID is no ID that could be without effect', 'NAME=web; ID=', ['web 8080']],
    ['of meta is no meta', 'NAME=web; REGION=', ['web 8080']],
  ])('%s', (_, env, services) => {
    const result = read('8080', env);
    expect(names(result.services)).toEqual(services);
    expect(result).toMatchObject({ rejections: [], warnings: [] });
    expect(result.services[0]).toMatchObject({ tags: [], meta: strings() });
  });

  it.each(['8080', ''])('of NAME asks for nothing where names are explicit; ports %j', (listed) => {
    expect(read(listed, 'NAME=; TAGS=x', { explicit: true })).toEqual({ services: [], rejections: [], warnings: [] });
  });

  it('is what a reference to it gives', () => {
    expect(read('8080', 'EMPTY=; NAME=web$(SERVICE_EMPTY); TAGS=$(SERVICE_EMPTY)').services).toMatchObject([
      { name: 'web', tags: [] },
    ]);
  });
});

it('ends of values are trimmed, as YAML leaves a line break at the end of a block', () => {
  const { services } = read('8080', 'NAME=web\n; TAGS=a, b\n; REGION= eu \n; IGNORE=\n');
  expect(services).toMatchObject([{ name: 'web', tags: ['a', ' b'], meta: strings({ region: 'eu' }) }]);
});

it('a container that a mesh put into the pod is registered under a NAME only', () => {
  const proxy = { name: 'linkerd-proxy', image: 'proxy:1', ports: ports('4143') };
  const mine = { name: 'agent-1', image: 'agent:1', ports: ports('7777') };
  const services = (...containers: Parameters<typeof given>) =>
    names(registratorServices(given(...containers), { explicit: false, injected: ['agent-*'] }).services);
  expect(services(proxy, mine, { image: 'orders:1' })).toEqual(['orders 8080']);
  expect(services({ ...proxy, env: environment('NAME=mesh') })).toEqual(['mesh 4143']);
});
