import { describe, expect, it } from '@jest/globals';
import type { Pod, Service } from '../../../../src/kubernetes/objects.ts';
import { desiredRegistrations } from '../../../../src/to-consul/desired/desired-registrations.ts';
import { mistakesOf } from '../../../../src/to-consul/desired/service-mistakes.ts';
import {
  annotations,
  condition,
  marked,
  owner,
  pod,
  policy,
  service,
  servicePort,
  slice,
  strings,
  toConsulConfig,
} from '../../builders.ts';

type Text = Readonly<Record<string, string>>;

const config = toConsulConfig();
const asking = (text: Text, overrides: Partial<Service> = {}) =>
  service({ annotations: annotations({ 'service-sync': 'true', ...text }), ...overrides });
const told = (asker: Service) =>
  mistakesOf(asker, config).map(({ rejection: { reason, message } }) => `${reason}: ${message}`);

/** The table in the comment of mistakesOf, row by row. */
describe('a Service, whatever its pods are', () => {
  it.each<[string, Text, Partial<Service>, string[]]>([
    ['that is right', {}, {}, []],
    ['without annotations', {}, { annotations: new Map() }, []],
    ['that is switched off', { 'service-sync': 'false', 'service-weight': '0' }, {}, []],
    ['in a namespace that is not selected', { 'service-weight': '0' }, { namespace: 'kube-system' }, []],
    [
      'with a value that cannot be read',
      { 'service-weight': '0' },
      {},
      [
        'InvalidAnnotation: Service shop/orders: annotation "consular.dev/service-weight": expected a number from 1 to 65535, found "0"',
      ],
    ],
    [
      'with a misspelt key, though it asks for nothing',
      {},
      { annotations: annotations({ 'servce-name': 'orders' }) },
      [
        'InvalidAnnotation: Service shop/orders: annotation "consular.dev/servce-name" is not one that Consular knows; did you mean "service-name"?',
      ],
    ],
    [
      'that says something of a registration, and asks for none',
      {},
      { annotations: annotations({ 'service-port': 'http', 'service-tags': 'a' }) },
      [
        'InvalidAnnotation: Service shop/orders: annotation "consular.dev/service-port" asks for nothing: expected service-name or service-sync: "true" beside it, found neither',
      ],
    ],
    [
      'with annotations of consul-k8s that ask for nothing, which are its own',
      {},
      { annotations: strings({ 'consul.hashicorp.com/service-port': 'http' }) },
      [],
    ],
    [
      'that came out of Consul, and asks in spite of what Consular wrote for consul-k8s',
      {},
      {
        labels: marked(),
        annotations: strings({ 'consular.dev/service-name': 'x', 'consul.hashicorp.com/service-sync': 'false' }),
      },
      [
        'InvalidAnnotation: Service shop/orders: its annotations ask for a registration, but it came out of Consul itself',
      ],
    ],
    [
      'that came out of Consul, with a key that is nearly one of ours beside one of another version',
      {},
      { labels: marked(), annotations: annotations({ 'service-nmae': 'x', 'zone-hints': 'y' }) },
      [
        'InvalidAnnotation: Service shop/orders: annotation "consular.dev/service-nmae" is not one that Consular knows; did you mean "service-name"?',
      ],
    ],
    ['about what it takes in, which is not for this direction', { 'import-prot': 'x' }, {}, []],
    ['that was mirrored and let go', { 'port-choice': '80', 'consul-index': '7', 'consul-service': 'x' }, {}, []],
    [
      'with settings for a port that it does not have',
      { 'service-tags.admin': 'x' },
      {},
      [
        'InvalidPort: Service shop/orders: annotation "consular.dev/service-tags.admin": expected the name or number of a port of the Service after the dot, found "admin"',
      ],
    ],
    [
      'that asks for a port that it does not have, beside one that it has',
      { 'service-port': 'admin', 'service-name.http': 'web' },
      {},
      [
        'InvalidPort: Service shop/orders: service-port: expected the name or number of one of its ports, found "admin"',
      ],
    ],
    [
      'without a TCP port',
      {},
      { ports: [servicePort({ protocol: 'UDP' })] },
      ['InvalidPort: Service shop/orders: expected a TCP port, found none'],
    ],
    [
      'with a name that is reserved',
      { 'service-name': 'consul' },
      {},
      ['ReservedName: Service shop/orders: service name "consul" is reserved'],
    ],
    [
      'with meta that Consul refuses',
      { 'service-meta-consul-x': '1' },
      {},
      ['InvalidMeta: Service shop/orders: meta "consul-x": keys that begin with "consul-" belong to Consul'],
    ],
    [
      'of type ExternalName',
      {},
      { type: 'ExternalName', ports: [] },
      ['NoPod: Service shop/orders: expected pods that can be registered, found type ExternalName, which has none'],
    ],
    [
      'of type ExternalName that asks for nothing',
      {},
      { type: 'ExternalName', annotations: annotations({ 'service-tags': 'x' }) },
      [],
    ],
    [
      'that came out of Consul',
      { 'service-weight': '0' },
      { labels: marked('other') },
      [
        'InvalidAnnotation: Service shop/orders: its annotations ask for a registration, but it came out of Consul itself',
      ],
    ],
    [
      'that came out of Consul and asks for nothing',
      {},
      { labels: marked(), annotations: annotations({ 'consul-service': 'x', hosts: '{}' }) },
      [],
    ],
  ])('%s', (_, text, overrides, expected) => {
    expect(told(asking(text, overrides))).toEqual(expected);
  });

  it('with a name, a tag or meta that the policy refuses', () => {
    const rules = [{ namespaces: ['billing'], services: ['orders'] }];
    const tags = { include: ['*'], exclude: ['primary'] };
    const strict = { ...config, policy: policy({ rules, tags, meta: { include: ['*'], exclude: ['zone'] } }) };
    const reasons = (text: Text) => mistakesOf(asking(text), strict).map(({ rejection }) => rejection.reason);
    expect(reasons({ 'service-tags': 'primary', 'service-meta-zone': 'a' })).toEqual(Array(3).fill('PolicyDenied'));
    expect(reasons({ 'service-name': 'web' })).toEqual([]);
  });
});

describe('a pod under a Service with a mistake', () => {
  function desired(text: Text, overrides: Partial<Pod> = {}) {
    const asker = asking(text);
    const { rejections, ofServices, held, rule } = desiredRegistrations(owner, config, {
      ...{ pod: pod(overrides), zone: '', nodeAddress: '192.168.1.11' },
      services: [{ service: asker, slices: [slice()] }],
    });
    return { mistakes: mistakesOf(asker, config), rejections, ofServices, held: [...held], rule };
  }

  it.each<[string, Text]>([
    ['in a value', { 'service-weight': '0' }],
    ['in a port', { 'service-port': 'admin' }],
    ['in the name', { 'service-name': '-' }],
    ['in tags', { 'service-tags': 'a\u001bb' }],
    ['in meta', { 'service-meta-k8s-pod': 'x' }],
  ])('%s is held and not told: the Service is told, in the words of its own', (_, text) => {
    const { mistakes, rejections, ofServices, held, rule } = desired(text);
    expect(mistakes).not.toEqual([]);
    expect([rejections, ofServices, held]).toEqual([[], mistakes, ['orders']]);
    expect(rule).toBe(
      'the pod is Ready, but something about it is wrong: what is in Consul for that is kept unchanged (held)',
    );
  });

  it('that is not Ready has nothing for it, and the rule says so', () => {
    const { held, rule } = desired({ 'service-weight': '0' }, { ready: condition({ status: 'False' }) });
    expect(held).toEqual([]);
    expect(rule).toBe('the pod is not Ready, and something about it is wrong: nothing is registered for that');
  });

  it('is told of its own mistakes only', () => {
    const own = annotations({ 'service-meta-team': 'x'.repeat(513) });
    const { rejections, ofServices } = desired({ 'service-meta-consul-x': '1' }, { annotations: own });
    expect(rejections.map(({ message }) => message)).toEqual([expect.stringContaining('meta "team"')]);
    expect(ofServices.map(({ rejection }) => rejection.message)).toEqual([expect.stringContaining('meta "consul-x"')]);
  });

  it('is told where it cannot be registered itself', () => {
    const { rejections, ofServices } = desired({}, { hostNetwork: true });
    expect([rejections.map(({ reason }) => reason), ofServices]).toEqual([['HostNetwork'], []]);
  });
});

describe('a pod that says something, and nothing of a name', () => {
  const alone = (services: Service[], overrides: Partial<Pod> = {}) => {
    const { rejections, held, isAsked } = desiredRegistrations(owner, config, {
      pod: pod({ annotations: annotations({ 'service-sync': 'true' }), ...overrides }),
      ...{ zone: '', nodeAddress: '192.168.1.11' },
      services: services.map((asker) => ({ service: asker, slices: [slice()] })),
    });
    return [
      rejections.map(({ reason, ifItLasts }) => `${reason}${ifItLasts ? ' if it lasts' : ''}`),
      [...held],
      isAsked,
    ];
  };

  it('is told that it asks for nothing, unless a Service comes over it in a moment', () => {
    expect(alone([])).toEqual([['InvalidAnnotation if it lasts'], [], false]);
    expect(alone([service()])).toEqual([['InvalidAnnotation if it lasts'], [], false]);
  });

  it.each(['service-port', 'service-tags.http', 'not-ready'])('is told the same where it has %s alone', (key) => {
    const said = annotations({ [key]: key === 'not-ready' ? 'critical' : 'http' });
    expect(alone([], { annotations: said })).toEqual([['InvalidAnnotation if it lasts'], [], false]);
    expect(alone([asking({})], { annotations: said })).toEqual([[], [], true]);
  });

  it('is not told of what the mesh of consul-k8s reads on pods', () => {
    const said = strings({ 'consul.hashicorp.com/service-tags': 'v1', 'consul.hashicorp.com/service-meta-a': 'b' });
    expect(alone([], { annotations: said })).toEqual([[], [], false]);
  });

  it('asks for something beside a name of its own, and under a Service that asks', () => {
    expect(alone([asking({})])).toEqual([[], [], true]);
    const named = annotations({ 'service-sync': 'true', 'service-name': 'orders' });
    expect(alone([], { annotations: named })).toEqual([[], [], true]);
  });
});
